/** What a person reads, in both languages, and numbers as they read them. */
import type { Phase } from '../restore/progress.ts';
import type { Language } from './terminal.ts';

const units = ['B', 'kB', 'MB', 'GB', 'TB'];

export function bytes(count: number): string {
  const power = Math.min(count < 1 ? 0 : Math.floor(Math.log10(count) / 3), units.length - 1);
  const value = count / 1000 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

export const phases: Record<Language, Record<Phase, string>> = {
  en: {
    base: 'fetching the base',
    verify: 'checking the base',
    replay: 'replaying WAL',
    dump: 'restoring the dump',
    compare: 'comparing every table',
    'sync-log': 'fetching the sync log',
    ready: 'ready',
  },
  fr: {
    base: 'récupération de la base',
    verify: 'vérification de la base',
    replay: 'application des WAL',
    dump: 'restauration du dump',
    compare: 'comparaison de chaque table',
    'sync-log': 'récupération du journal de synchronisation',
    ready: 'prêt',
  },
};

export const words = {
  en: {
    moment: 'Moment',
    base: 'Base',
    segments: 'WAL segments',
    left: 'left',
    running: 'Postgres runs',
    stopped: 'It stopped replaying',
    lastCommit: 'last commit',
    port: 'port',
    socket: 'socket folder',
    log: 'log',
    took: 'took',
    settings:
      'It archives nothing and follows nobody. To make it the server of the site: stop it, put its own configuration in place, start it.',
    tablesEqual: 'tables are as they were backed up',
    fault: 'not from',
    manifest: 'manifest',
    entry: 'entry',
    of: 'of',
    to: 'to',
    objects: 'objects',
    verified: 'verified',
    endsWith: 'its manifest ends with entry',
    notListed: 'it cannot be listed',
    missing: 'is missing or has another size',
    whole: 'everything is whole',
    problems: 'problems',
    drillDue: 'the next drill is due at',
    passed: 'PASSED',
    failed: 'FAILED',
    tables: 'tables',
    rowsCompared: 'rows compared with',
    proof: 'proof',
    passphrase: 'Passphrase of',
    sealed: 'sealed; it is on its way to the regions',
    fingerprint: 'fingerprint',
    publicKey: 'public key',
    intoKit:
      'Print both into the emergency kit: without them nobody can tell this manifest from a forged one.',
    until: 'until',
    withoutEnd: 'without end',
    dryRun: 'Dry run: nothing was changed. Add --apply to do it.',
    applied: 'Done.',
    syncLog: 'Sync log',
    otherSyncLog: 'There is also',
    gap: 'lacks',
    overlap: 'held twice:',
    transactions: 'transactions',
    adopt: (file: string) =>
      `On the new box, as the user that it runs as: skooly-edge adopt-log ${file}\nThe file holds what people wrote, in clear: delete it afterwards.`,
  },
  fr: {
    moment: 'Moment',
    base: 'Base',
    segments: 'segments WAL',
    left: 'restant',
    running: 'Postgres fonctionne',
    stopped: 'Il s’est arrêté',
    lastCommit: 'dernière transaction',
    port: 'port',
    socket: 'dossier du socket',
    log: 'journal',
    took: 'durée',
    settings:
      'Il n’archive rien et ne suit personne. Pour en faire le serveur du site : arrêtez-le, remettez sa configuration, démarrez-le.',
    tablesEqual: 'tables sont comme lors de la sauvegarde',
    fault: 'pas depuis',
    manifest: 'registre',
    entry: 'entrée',
    of: 'du',
    to: 'jusqu’à',
    objects: 'objets',
    verified: 'vérifié',
    endsWith: 'son registre s’arrête à l’entrée',
    notListed: 'elle ne peut pas être listée',
    missing: 'manque ou n’a pas la bonne taille',
    whole: 'tout est intact',
    problems: 'problèmes',
    drillDue: 'le prochain exercice est prévu le',
    passed: 'RÉUSSI',
    failed: 'ÉCHOUÉ',
    tables: 'tables',
    rowsCompared: 'lignes comparées avec',
    proof: 'preuve',
    passphrase: 'Phrase secrète de',
    sealed: 'chiffré ; en route vers les régions',
    fingerprint: 'empreinte',
    publicKey: 'clé publique',
    intoKit:
      'Imprimez les deux dans la trousse d’urgence : sans eux, personne ne peut distinguer ce registre d’un faux.',
    until: 'jusqu’au',
    withoutEnd: 'sans fin',
    dryRun: 'Essai : rien n’a été modifié. Ajoutez --apply pour le faire.',
    applied: 'Fait.',
    syncLog: 'Journal de synchronisation',
    otherSyncLog: 'Il y a aussi',
    gap: 'il manque',
    overlap: 'en double :',
    transactions: 'transactions',
    adopt: (file: string) =>
      `Sur la nouvelle machine, avec l’utilisateur de son service : skooly-edge adopt-log ${file}\nCe fichier contient des données en clair : supprimez-le ensuite.`,
  },
} as const satisfies Record<Language, Record<string, string | ((text: string) => string)>>;
