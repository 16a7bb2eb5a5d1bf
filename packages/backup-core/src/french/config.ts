/** What is wrong with a setting, and the fix, in French. What is not listed is shown as it is: a value, or what a library says. */
const phrases: Readonly<Record<string, string>> = {
  'is not set': 'n’est pas indiqué',
  'is no setting': 'n’est pas un réglage',
  'does not exist': 'n’existe pas',
  'is not given': 'n’est pas donné',
  'is empty': 'est vide',
  'has no running daemon': 'n’a pas de service en marche',
  'stands with several tables': 'est donné avec plusieurs tables',
  'stands with --at, --lsn or --latest': 'est donné avec --at, --lsn ou --latest',
  'give one of them': 'donnez un seul des deux',
  'give one --table': 'donnez une seule --table',
  'give each region a name of its own': 'donnez à chaque région son propre nom',
  'copy the key of the site from the emergency kit': 'copiez la clé du site depuis la trousse d’urgence',
  'copy the key that `init` printed': 'copiez la clé que `init` a affichée',
  'name it with --config, or write it as README.md shows':
    'nommez-le avec --config, ou écrivez-le comme dans README.md',
  'put its JSON right': 'corrigez son JSON',
  'set it': 'indiquez-le',
  'set it: this command needs it': 'indiquez-le : cette commande en a besoin',
  'correct its name or remove it': 'corrigez son nom ou supprimez-le',
  'correct it, or make the file': 'corrigez-le, ou créez le fichier',
  'name a file with the passphrase': 'nommez un fichier qui contient la phrase secrète',
  'start it with `skooly-backup run`': 'lancez-le avec `skooly-backup run`',
  'make one with `skooly-backup keys make`': 'créez-en une avec `skooly-backup keys make`',
  'name a folder that the user postgres can enter': 'nommez un dossier où l’utilisateur postgres peut entrer',
  'use a short lower-case name such as paris': 'prenez un nom court en minuscules, comme paris',
  'use a URL without a path, such as https://s3.example':
    'prenez une adresse sans chemin, comme https://s3.example',
  'name the bucket': 'nommez l’espace de stockage',
  'give the id of the access key': 'donnez l’identifiant de la clé d’accès',
  'give days from 1 to 3660': 'donnez des jours, de 1 à 3660',
  'use GOVERNANCE or COMPLIANCE': 'prenez GOVERNANCE ou COMPLIANCE',
  'use the id of the campus, or cloud': 'prenez l’identifiant du campus, ou cloud',
  'describe at least one region': 'décrivez au moins une région',
  'copy the 43 characters from the kit': 'copiez les 43 caractères de la trousse',
  'copy it from what `keys check` prints': 'copiez-le de ce qu’affiche `keys check`',
  "give two: the administrator's key and the recovery key":
    'donnez-en deux : la clé de l’administrateur et la clé de secours',
  'give days from 7 to 366': 'donnez des jours, de 7 à 366',
  'give years from 1 to 30': 'donnez des années, de 1 à 30',
  'give days from 30 to 3660': 'donnez des jours, de 30 à 3660',
  'copy the 43 characters that `keys make` printed on the drill machine':
    'copiez les 43 caractères que `keys make` a affichés sur la machine d’exercice',
  'give the name of a user': 'donnez le nom d’un utilisateur',
  'name the file that holds the secret key, with its whole path':
    'nommez le fichier qui contient la clé secrète, avec son chemin complet',
  'name a folder with its whole path': 'nommez un dossier, avec son chemin complet',
  'name the file that `skooly-backup init` made': 'nommez le fichier que `skooly-backup init` a créé',
  'name a file that holds a postgres:// URL': 'nommez un fichier qui contient une adresse postgres://',
  'name the file of an OpenPGP public key': 'nommez le fichier d’une clé publique OpenPGP',
  'name the file that `keys make` made': 'nommez le fichier que `keys make` a créé',
  'name the file that archive_command reads, with its whole path':
    'nommez le fichier que lit archive_command, avec son chemin complet',
  'give at least 1024': 'donnez au moins 1024',
  'give at least 1073741824 bytes': 'donnez au moins 1073741824 octets',
};

const patterns: readonly (readonly [RegExp, string])[] = [
  [/^names (\S+), which others can read$/, 'désigne $1, que d’autres peuvent lire'],
  [/^names (\S+), which cannot be read$/, 'désigne $1, qui ne peut pas être lu'],
  [/^names (\S+), which is no JSON$/, 'désigne $1, qui n’est pas du JSON'],
  [/^names (.+)$/, 'désigne $1'],
  [/^name (\S+) twice$/, 'nomment $1 deux fois'],
  [/^cannot be read \((.*)\)$/, 'ne peut pas être lu ($1)'],
  [/^is (.+)$/, 'vaut $1'],
  [/^take it from them: (.+)$/, 'retirez-leur ce droit : $1'],
  [/^use (.+) or (.+)$/, 'prenez $1 ou $2'],
  [/^use (.+)$/, 'prenez $1'],
];

export function frenchPhrase(english: string): string {
  const whole = phrases[english];
  if (whole !== undefined) return whole;
  for (const [pattern, french] of patterns)
    if (pattern.test(english)) return english.replace(pattern, french);
  return english;
}

/** Whether it has words of its own here, and not only a pattern's. */
export function isListed(english: string): boolean {
  return Object.hasOwn(phrases, english);
}
