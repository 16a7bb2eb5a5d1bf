/** The help of the commands in French: what each is for, its options, its exit codes, and what a command that was typed wrong says. */
import type { Command } from 'commander';

export const frenchHelp: Readonly<Record<string, string>> = {
  'Sealed backups in two regions: made, watched, proven, and brought back.':
    'Sauvegardes chiffrées dans deux régions : faites, surveillées, prouvées, restaurées.',
  'Run the backups of this site until told to stop: WAL, dumps, bases, both regions, retention.':
    'Fait les sauvegardes de ce site jusqu’à l’arrêt : WAL, dumps, bases, les deux régions, conservation.',
  'the configuration': 'la configuration',
  'take the manifest over from the regions: the machine that wrote it before writes no more':
    'reprend le registre depuis les régions : la machine qui l’écrivait n’écrit plus',
  'Have the running daemon make a dump now.': 'Demande au service un dump maintenant.',
  'Have the running daemon make a base backup now.': 'Demande au service une base maintenant.',
  'Make the key with which this site signs its manifest. Once per site; it never overwrites one.':
    'Crée la clé avec laquelle ce site signe son registre. Une fois par site ; n’en remplace jamais une.',
  'where the private half is kept, such as /etc/skooly-backup/manifest.pem':
    'où garder la moitié privée, par exemple /etc/skooly-backup/manifest.pem',
  'OpenPGP keys that backups are sealed for.': 'Clés OpenPGP pour lesquelles on chiffre.',
  'Make an Ed25519 key for the drill machine, and print what the configuration of the sites needs of it.':
    'Crée une clé Ed25519 pour la machine d’exercice et affiche ce qu’il en faut dans la configuration des sites.',
  'where the private half is kept; never written over': 'où garder la moitié privée ; jamais écrasée',
  'Hold a public key to the rules of enrolment, and print what the configuration needs of it.':
    'Contrôle une clé publique avant de l’inscrire et affiche ce qu’il en faut dans la configuration.',
  'public key, as gpg --armor --export writes it': 'clé publique, telle que l’écrit gpg --armor --export',
  'Write the emergency kit: a page to print, in French and English, for a stranger on the worst day.':
    'Écrit la trousse d’urgence : une page à imprimer, en français et en anglais, pour quelqu’un qui ne connaît rien.',
  'JSON: database, postgres, providers, keys [{role, where}], people [{name, role, phone}]':
    'JSON : database, postgres, providers, keys [{role, where}], people [{name, role, phone}]',
  'the HTML page': 'la page HTML',
  'Show how the backups are: last good dump and base, WAL and RPO per region, queue, drills, last proof.':
    'Montre l’état des sauvegardes : dernier bon dump, dernière base, WAL et RPO par région, attente, exercices, preuve.',
  'as one line of JSON': 'en une ligne de JSON',
  'Show what there is to restore: bases and dumps, and how far the WAL goes; or one kind of object.':
    'Montre ce qui peut être restauré : bases, dumps, et jusqu’où vont les WAL ; ou une seule sorte d’objets.',
  'all objects of one kind': 'tous les objets d’une sorte',
  'one line of JSON for each object': 'une ligne de JSON par objet',
  'read this region alone; otherwise every region, each standing in for the others':
    'ne lit que cette région ; sinon toutes, chacune remplaçant les autres',
  'read the manifest only up to this entry': 'ne lit le registre que jusqu’à cette entrée',
  'Verify the manifest, and that each region holds every object whole: by listing, with --deep by reading each and hashing it.':
    'Vérifie le registre, et que chaque région a chaque objet entier : par la liste, ou avec --deep en lisant tout.',
  'read every object and hold it to its hash in the manifest; needs no key':
    'lit chaque objet et compare son empreinte à celle du registre ; sans clé',
  'decrypt and decompress every object as well; needs a private key':
    'déchiffre et décompresse aussi chaque objet ; avec une clé privée',
  'private key, as gpg --export-secret-keys writes it; without it gpg and its agent are used':
    'clé privée, telle que l’écrit gpg --export-secret-keys ; sans elle, gpg et son agent',
  'passphrase of that key; otherwise it is asked for':
    'phrase secrète de cette clé ; sinon elle est demandée',
  'GNUPGHOME of the gpg that opens objects': 'GNUPGHOME du gpg qui ouvre les objets',
  'Make a running Postgres out of the regions, as it was at a moment.':
    'Fait, à partir des régions, un Postgres en marche tel qu’il était à un moment.',
  'folder for its data; must be empty or not there': 'dossier de ses données ; vide ou inexistant',
  'a moment with its zone, such as "2026-11-23 10:31:59 Africa/Douala"':
    'un moment avec son fuseau, comme "2026-11-23 10:31:59 Africa/Douala"',
  'a position in the WAL': 'une position dans le WAL',
  'all that is in the regions': 'tout ce qui est dans les régions',
  'the nightly dump of a day (Douala), of a moment with its zone, or latest':
    'le dump de la nuit d’un jour (Douala), d’un moment avec son fuseau, ou latest',
  'follow this timeline; otherwise the newest that goes through the base':
    'suit cette timeline ; sinon la plus récente qui passe par la base',
  'begin with this base; otherwise with the newest that precedes the moment':
    'commence par cette base ; sinon par la plus récente avant le moment',
  'port on 127.0.0.1; otherwise a free one': 'port sur 127.0.0.1 ; sinon un port libre',
  'superuser of the restored cluster': 'superutilisateur du serveur restauré',
  'the result as one line of JSON': 'le résultat en une ligne de JSON',
  'Bring the sync log of a dead box back as a file that `skooly-edge adopt-log` takes.':
    'Ramène le journal de synchronisation d’une machine morte, en un fichier que prend `skooly-edge adopt-log`.',
  'the file; or a folder for it, which is made if its name ends with /':
    'le fichier ; ou son dossier, créé si le nom finit par /',
  'the log of this epoch; otherwise the newest': 'le journal de cette époque ; sinon le plus récent',
  'leave out what lies before this transaction': 'laisse ce qui précède cette transaction',
  'Restore into a scratch Postgres from one region alone, compare every table and total, try the application, sign a proof.':
    'Restaure depuis une seule région dans un Postgres d’essai, compare chaque table et total, essaie l’application, signe une preuve.',
  'what is restored': 'ce qui est restauré',
  'the region that is read; otherwise the one whose turn it is':
    'la région à lire ; sinon celle dont c’est le tour',
  'the database whose tables were counted': 'la base dont les tables ont été comptées',
  'where the proof is written; otherwise <stateDir>/proofs': 'où écrire la preuve ; sinon <stateDir>/proofs',
  'only when the schedule says so: what a daily timer runs':
    'seulement si c’est prévu : ce que lance une minuterie quotidienne',
  'the proof as one line of JSON': 'la preuve en une ligne de JSON',
  'Bring deleted rows back into the live database, without losing what came after. A dry run unless --apply.':
    'Ramène des lignes supprimées dans la base vivante, sans perdre ce qui a suivi. Un essai, sauf avec --apply.',
  'a moment just before the deletion, with its zone': 'un moment juste avant la suppression, avec son fuseau',
  'the tables; what hung on their rows comes with them':
    'les tables ; ce qui dépendait de leurs lignes revient avec',
  'only these rows of the table, such as "id < 100"': 'seulement ces lignes de la table, comme "id < 100"',
  'where the past is restored to for as long as it takes': 'où restaurer le passé, le temps nécessaire',
  'do it; otherwise the same is done and rolled back': 'le fait ; sinon tout est fait puis annulé',
  'the report as one line of JSON': 'le rapport en une ligne de JSON',
  'Print the calendar of what stays and what may go, and why. The daemon removes; this never does.':
    'Affiche le calendrier de ce qui reste et de ce qui peut partir, et pourquoi. Le service supprime ; cette commande jamais.',
  'what it always is': 'ce qu’elle est toujours',
};

export const frenchExits: Readonly<Record<string, string>> = {
  done: 'fait',
  'it failed in a way that has no code of its own': 'un échec qui n’a pas de code à lui',
  'the command or the configuration is wrong': 'la commande ou la configuration est fausse',
  'a region cannot be reached, or refuses': 'une région ne répond pas, ou refuse',
  'the manifest does not verify: nothing was read behind it':
    'le registre n’est pas valable : rien n’a été lu au-delà',
  'verify found something missing or damaged': 'verify a trouvé un objet manquant ou abîmé',
  'status: backups need a person': 'status : les sauvegardes ont besoin de quelqu’un',
  'the drill failed': 'l’exercice a échoué',
  'a key or a passphrase does not fit': 'une clé ou une phrase secrète ne convient pas',
  'no base precedes the moment, or there is no such dump':
    'aucune base ne précède ce moment, ou ce dump n’existe pas',
  'the WAL does not reach the moment': 'les WAL ne vont pas jusqu’à ce moment',
  'the WAL has a gap before the moment': 'il manque un WAL avant ce moment',
  'the folder is not empty, or cannot be used': 'le dossier n’est pas vide, ou ne peut pas servir',
  'this machine lacks the Postgres of that major version':
    'cette machine n’a pas cette version majeure de Postgres',
  'an object is damaged in every region that was asked': 'un objet est abîmé dans chaque région interrogée',
  'an object cannot be had from any region': 'aucune région ne donne un objet',
  'pg_verifybackup refuses the base': 'pg_verifybackup refuse la base',
  'the server did not come up; its log is kept': 'le serveur n’a pas démarré ; son journal est gardé',
  'the server is elsewhere than at the moment asked for': 'le serveur n’est pas au moment demandé',
  'pg_restore ended with an error': 'pg_restore a fini par une erreur',
  'the data differs from what was backed up': 'les données diffèrent de ce qui a été sauvegardé',
  'there is no sync log, or none of that epoch': 'il n’y a pas de journal, ou pas de cette époque',
  'the log has a gap': 'il manque des transactions au journal',
  'two objects have other words for one transaction':
    'deux objets ne disent pas la même chose d’une transaction',
  'the file is there already, or cannot be written': 'le fichier existe déjà, ou ne peut pas être écrit',
  'a table is not there today, or was not then':
    'une table n’existe pas aujourd’hui, ou n’existait pas alors',
  'a table has no primary key': 'une table n’a pas de clé primaire',
  'a column of then is gone today': 'une colonne d’alors n’existe plus',
  'a trigger changed what came back; nothing was changed':
    'un trigger a changé ce qui revenait ; rien n’a été modifié',
  'Postgres refused; nothing was changed': 'Postgres a refusé ; rien n’a été modifié',
};

const titles: Readonly<Record<string, string>> = {
  'Usage:': 'Usage :',
  'Arguments:': 'Arguments :',
  'Options:': 'Options :',
  'Commands:': 'Commandes :',
};

/** Of commander's own. */
const complaints: readonly (readonly [RegExp, string])[] = [
  [/required option '(.+)' not specified/, 'l’option « $1 » est obligatoire'],
  [/unknown option '(.+)'/, 'l’option « $1 » n’existe pas'],
  [/unknown command '(.+)'/, 'la commande « $1 » n’existe pas'],
  [/missing required argument '(.+)'/, 'il manque l’argument « $1 »'],
  [/option '(.+)' argument missing/, 'il manque la valeur de l’option « $1 »'],
  [/option '(.+)' argument '(.*)' is invalid\./, 'l’option « $1 » ne peut pas valoir « $2 ».'],
  [/too many arguments(?: for '(.+?)')?\. Expected .*/, 'trop d’arguments'],
  [/use a whole number\./, 'Donnez un nombre entier.'],
  [/use a port from 1 to 65535\./, 'Donnez un port de 1 à 65535.'],
  [/Allowed choices are /, 'Choix possibles : '],
  [/\(Did you mean (.+)\?\)/, '(Vouliez-vous dire $1 ?)'],
  [/^error: /, 'erreur : '],
];

export function frenchComplaint(text: string): string {
  return complaints.reduce((said, [pattern, french]) => said.replace(pattern, french), text);
}

/** What stands below the help of a command: its exit codes, a line each. */
export function frenchAfter(text: string): string {
  return text
    .replace(/^Exit codes:$/m, 'Codes de sortie :')
    .replace(/^( +\d+ {2})(.+)$/gm, (line, code: string, words: string) => {
      const french = frenchExits[words];
      return french === undefined ? line : `${code}${french}`;
    });
}

/** Puts the commands that are there into French, and those that are below them. */
export function putInFrench(command: Command): void {
  command.description(frenchHelp[command.description()] ?? command.description());
  command.helpOption('-h, --help', 'affiche cette aide');
  if (command.commands.length > 0) command.helpCommand('help [commande]', 'affiche l’aide d’une commande');
  command.configureHelp({ styleTitle: (title) => titles[title] ?? title });
  for (const one of [...command.options, ...command.registeredArguments])
    one.description = frenchHelp[one.description] ?? one.description;
  for (const below of command.commands) putInFrench(below);
}
