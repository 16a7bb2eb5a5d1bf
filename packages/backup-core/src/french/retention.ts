/** Why an object stays or may go, in French, for the calendar. The signed manifest keeps the reasons as they were given. */
const reasons: readonly (readonly [RegExp, string])[] = [
  [/^within (\d+) rolling days$/, 'dans les $1 derniers jours'],
  [/^the moments since (\S+) begin with it$/, 'les moments depuis le $1 commencent par elle'],
  [/^newest good base$/, 'dernière bonne base'],
  [/^last base that a drill restored$/, 'dernière base restaurée par un exercice'],
  [/^archive of (\S+)$/, 'archive de $1'],
  [/^no dump of (\S+) is in every region$/, 'aucun dump de $1 n’est dans toutes les régions'],
  [/^newest good dump$/, 'dernier bon dump'],
  [/^last dump that a drill restored$/, 'dernier dump restauré par un exercice'],
  [/^timelines are followed by their history$/, 'les timelines se suivent par leur historique'],
  [/^sync log of the last (\d+) days$/, 'journal de synchronisation des $1 derniers jours'],
  [/^proof of the last (\d+) years$/, 'preuve des $1 dernières années'],
  [/^needed by base (.+)$/, 'nécessaire à la base $1'],
  [/^no region was asked$/, 'aucune région n’a été interrogée'],
  [/^(\S+) and (\S+) did not answer$/, '$1 et $2 n’ont pas répondu'],
  [/^(.+) did not answer$/, '$1 n’a pas répondu'],
  [/^no dump of the rolling days is in every region$/, 'aucun dump récent n’est dans toutes les régions'],
  [/^no base is in every region$/, 'aucune base n’est dans toutes les régions'],
  [/^locked in (\S+) until (\S+)$/, 'verrouillé dans $1 jusqu’au $2'],
  [/^(\S+) of (\d+) days ago that no rule keeps$/, '$1 d’il y a $2 jours, qu’aucune règle ne garde'],
  [/^there is no signed object to hold the clock against$/, 'aucun objet signé ne permet de juger l’horloge'],
  [
    /^the clock is behind the newest signed object by (.+)$/,
    'l’horloge retarde de $1 sur le dernier objet signé',
  ],
  [
    /^the clock is ahead of the newest signed object by (.+)$/,
    'l’horloge avance de $1 sur le dernier objet signé',
  ],
  [/^the clock went back by (.+) since the last run$/, 'l’horloge a reculé de $1 depuis la dernière fois'],
  [/^the clock was set by (.+) since the last run$/, 'l’horloge a été changée de $1 depuis la dernière fois'],
  [/^the clock is (.+) past the last run$/, 'l’horloge a $1 d’avance sur la dernière fois'],
];

export function frenchReason(reason: string): string {
  const stop = /^nothing is removed now: (.+)$/.exec(reason);
  if (stop) return `rien n’est supprimé maintenant : ${frenchReason(stop[1] as string)}`;
  for (const [pattern, french] of reasons) if (pattern.test(reason)) return reason.replace(pattern, french);
  return reason;
}
