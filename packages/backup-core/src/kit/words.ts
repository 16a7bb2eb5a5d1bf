/** What the kit says, in both languages. Written for somebody who has never seen the system, on a bad day. */
export type Language = 'fr' | 'en';

export interface KitWords {
  title(site: string): string;
  made(date: string): string;
  what: string;
  noSecret: string;
  calm: string[];
  people: string;
  regions: string;
  regionColumns: [string, string, string, string];
  credentials: string;
  keys: string;
  keyColumns: [string, string, string, string];
  roles: Record<'administrator' | 'recovery' | 'earlier', string>;
  never: string;
  anyKey: string;
  manifestKey(fingerprint: string): string;
  need(postgres: string): string;
  copy: string;
  verify: string;
  verified: string;
  dump: string;
  pointInTime: string;
  pointInTimeNote: string;
  after: string[];
  qr: string;
  replace: string;
}

export const kitWords: Record<Language, KitWords> = {
  fr: {
    title: (site) => `Trousse d’urgence : sauvegardes de ${site}`,
    made: (date) => `Imprimée le ${date}`,
    what: 'Cette feuille explique comment retrouver toutes les données de l’école quand la machine est perdue, volée ou détruite. Les sauvegardes sont chiffrées et rangées chez deux hébergeurs différents. Un seul des deux suffit.',
    noSecret:
      'Cette feuille ne contient aucun secret. Il faut en plus : une clé privée et sa phrase secrète, et l’accès à l’un des deux espaces de stockage (enveloppe scellée n° ________, rangée à : ____________________).',
    calm: [
      'Ne touchez pas à la machine en panne : n’effacez rien, ne réinstallez rien.',
      'Appelez les personnes ci-dessous. Notez l’heure et ce que vous voyez.',
      'Restaurez sur une AUTRE machine. Les sauvegardes ne sont que lues, vous ne pouvez pas les abîmer.',
    ],
    people: 'Qui appeler',
    regions: 'Où sont les sauvegardes',
    regionColumns: ['Nom', 'Hébergeur', 'Adresse (endpoint)', 'Espace (bucket)'],
    credentials: 'Les identifiants sont dans l’enveloppe scellée. Un accès en lecture suffit.',
    keys: 'Quelles clés ouvrent les sauvegardes',
    keyColumns: ['Clé', 'Empreinte', 'Expire', 'Où elle se trouve'],
    roles: {
      administrator: 'Clé de l’administrateur',
      recovery: 'Clé de secours',
      earlier: 'Ancienne clé (sauvegardes anciennes)',
    },
    never: 'jamais',
    anyKey:
      'Une seule de ces clés suffit. Une clé expirée déchiffre encore. Pour chaque fichier, la liste « objects » (étape 2) dit dans « recipients » quelles clés l’ouvrent.',
    manifestKey: (fingerprint) =>
      `La liste des sauvegardes est signée par la clé ${fingerprint}. L’étape 2 le vérifie.`,
    need: (postgres) =>
      `Il faut une machine Debian avec : gnupg, zstd, jq, openssl, awscli, postgresql-${postgres} (même version majeure), et de la place pour deux fois les données. Importez la clé privée : gpg --import FICHIER. Lancez d’abord : bash, puis set -o pipefail.`,
    copy: 'Étape 1. Copier un espace de stockage',
    verify: 'Étape 2. Vérifier la liste des sauvegardes',
    verified:
      'Il faut lire « Signature Verified Successfully », et aucun « does not follow ». Sinon, recommencez avec l’autre hébergeur, et prévenez l’administrateur.',
    dump: 'Étape 3, le plus simple. Retrouver la dernière nuit',
    pointInTime: 'Étape 3, le plus complet. Retrouver un moment précis',
    pointInTimeNote:
      'Remplacez les deux heures : la première en temps universel (heure de Douala moins 1), la seconde en heure de Douala avec +01. Ne lancez pas postgres en root. Cela peut durer ; la dernière commande doit finir par répondre t. Si le fichier log dit « recovery ended before configured recovery target was reached », enlevez la ligne recovery_target_time et relancez pg_ctl.',
    after: [
      'Comparez le nombre de lignes des tables avec « about.tables » de la sauvegarde avant que quelqu’un ne travaille.',
      'Notez l’heure retrouvée : ce qui a été saisi après est perdu, ou se trouve encore sur les autres machines.',
      'Une machine de campus est morte : ce qu’elle n’avait pas encore envoyé est aussi dans les sauvegardes. Installez d’abord la nouvelle machine, puis lancez-y : skooly-backup sync-log --to vieux-journal.ndjson --key CLÉ, puis : skooly-edge adopt-log vieux-journal.ndjson. On peut recommencer sans risque. Supprimez ensuite le fichier.',
    ],
    qr: 'Adresses, empreintes et clé publique, à lire avec un téléphone.',
    replace:
      'Une clé, une adresse ou un numéro a changé : imprimez une nouvelle trousse et détruisez celle-ci.',
  },
  en: {
    title: (site) => `Emergency kit: backups of ${site}`,
    made: (date) => `Printed on ${date}`,
    what: 'This sheet tells how to get all data of the school back when the machine is lost, stolen or destroyed. The backups are encrypted and kept by two different providers. One of the two is enough.',
    noSecret:
      'There is no secret on this sheet. You also need: a private key with its passphrase, and access to one of the two buckets (sealed envelope no. ________, kept at: ____________________).',
    calm: [
      'Leave the broken machine alone: delete nothing, reinstall nothing.',
      'Call the people below. Write down the time and what you see.',
      'Restore onto ANOTHER machine. The backups are only read; you cannot damage them.',
    ],
    people: 'Whom to call',
    regions: 'Where the backups are',
    regionColumns: ['Name', 'Provider', 'Address (endpoint)', 'Bucket'],
    credentials: 'The credentials are in the sealed envelope. Permission to read is enough.',
    keys: 'Which keys open the backups',
    keyColumns: ['Key', 'Fingerprint', 'Expires', 'Where it is'],
    roles: {
      administrator: 'Administrator’s key',
      recovery: 'Recovery key',
      earlier: 'Earlier key (older backups)',
    },
    never: 'never',
    anyKey:
      'One of these keys is enough. An expired key still decrypts. For each file, the list “objects” (step 2) tells under “recipients” which keys open it.',
    manifestKey: (fingerprint) =>
      `The list of backups is signed by the key ${fingerprint}. Step 2 checks it.`,
    need: (postgres) =>
      `You need a Debian machine with: gnupg, zstd, jq, openssl, awscli, postgresql-${postgres} (the same major version), and room for twice the data. Import the private key: gpg --import FILE. First run: bash, then set -o pipefail.`,
    copy: 'Step 1. Copy one bucket',
    verify: 'Step 2. Verify the list of backups',
    verified:
      'You must read “Signature Verified Successfully”, and no “does not follow”. Otherwise begin again with the other provider, and tell the administrator.',
    dump: 'Step 3, the simplest. Get last night back',
    pointInTime: 'Step 3, the most complete. Get a chosen moment back',
    pointInTimeNote:
      'Replace the two times: the first in universal time (Douala minus 1 hour), the second in Douala time with +01. Do not run postgres as root. It may take long; the last command must end by answering t. If the file log says “recovery ended before configured recovery target was reached”, take the line recovery_target_time out and run pg_ctl again.',
    after: [
      'Compare the row counts of the tables with “about.tables” of the backup before anybody works.',
      'Write down the moment you got back: what was entered later is lost, or is still on the other machines.',
      'The machine of a campus died: what it had not sent yet is in the backups too. Set the new machine up first, then run on it: skooly-backup sync-log --to old-log.ndjson --key KEY, then: skooly-edge adopt-log old-log.ndjson. It is safe to do it again. Delete the file afterwards.',
    ],
    qr: 'Addresses, fingerprints and public key, to be read with a phone.',
    replace: 'A key, an address or a number has changed: print a new kit and destroy this one.',
  },
};
