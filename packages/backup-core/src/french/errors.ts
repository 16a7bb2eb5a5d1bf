/** What each error says to a person who reads French: what is the matter, and what to do. A test holds the list to the codes. */
import type { BackupErrorCode } from '../engine/errors.ts';
import type { KeyErrorCode } from '../keys/errors.ts';
import type { SyncLogErrorCode } from '../log-back/errors.ts';
import type { ManifestErrorCode } from '../manifest/errors.ts';
import type { RegionErrorCode } from '../region/errors.ts';
import type { RestoreErrorCode } from '../restore/errors.ts';
import type { RowsBackErrorCode } from '../rows-back/errors.ts';
import type { SealErrorCode } from '../seal/errors.ts';
import type { SourceErrorCode } from '../source/errors.ts';
import type { WalErrorCode } from '../source/wal/errors.ts';
import type { SpoolErrorCode } from '../spool/errors.ts';

export type ErrorCode =
  | BackupErrorCode
  | KeyErrorCode
  | ManifestErrorCode
  | RegionErrorCode
  | RestoreErrorCode
  | RowsBackErrorCode
  | SealErrorCode
  | SourceErrorCode
  | SpoolErrorCode
  | SyncLogErrorCode
  | WalErrorCode;

interface FrenchError {
  readonly what: string;
  readonly advice: string;
}

const otherRegion = 'Jetez ce qui a été lu et prenez l’objet dans l’autre région.';
const otherManifest = 'Lisez le registre de l’autre région et cherchez qui peut écrire dans cet espace.';
const upTo = 'Lisez le registre de l’autre région, ou seulement sa partie intacte avec --up-to.';

export const frenchErrors: Record<ErrorCode, FrenchError> = {
  BACKUP_NO_ROOM: {
    what: 'Il n’y a plus de place pour préparer une sauvegarde.',
    advice:
      'Libérez de la place sur le disque d’attente, ou rétablissez la région attendue ; la suite est automatique.',
  },
  BACKUP_NO_REGION: {
    what: 'Aucune région n’est indiquée.',
    advice: 'Indiquez les régions : deux, de deux hébergeurs.',
  },
  KEY_UNREADABLE: {
    what: 'Ce n’est pas une clé publique OpenPGP.',
    advice: 'Exportez-la de nouveau : gpg --armor --export EMPREINTE.',
  },
  KEY_NOT_ONE: {
    what: 'Le fichier contient plusieurs clés.',
    advice: 'Exportez une seule clé, par son empreinte.',
  },
  KEY_PRIVATE: {
    what: 'C’est une clé privée.',
    advice: 'Supprimez ce fichier de cette machine et exportez seulement la clé publique.',
  },
  KEY_REVOKED: { what: 'La clé est révoquée.', advice: 'Inscrivez la clé qui la remplace.' },
  KEY_EXPIRED: {
    what: 'La clé a expiré.',
    advice: 'Repoussez sa date avec gpg --quick-set-expire, ou créez une nouvelle clé, puis inscrivez-la.',
  },
  KEY_EXPIRES_SOON: {
    what: 'La clé expire bientôt.',
    advice: 'Repoussez la date de la clé et de ses sous-clés avec gpg --quick-set-expire, puis exportez-la.',
  },
  KEY_CANNOT_ENCRYPT: {
    what: 'La clé ne peut pas chiffrer.',
    advice: 'Ajoutez une sous-clé de chiffrement avec gpg --quick-add-key, puis exportez-la.',
  },
  KEY_WEAK: {
    what: 'La clé est trop faible.',
    advice: 'Créez une clé avec gpg --quick-generate-key : Curve25519, ou RSA d’au moins 3072 bits.',
  },
  KEY_NEEDS_NEWER_GPG: {
    what: 'Le gpg courant ne pourrait pas ouvrir ce qui serait chiffré pour cette clé.',
    advice: 'Créez la clé avec gpg 2.2 ou 2.4, sans options.',
  },
  KEY_NOT_PRIVATE: {
    what: 'Le fichier ne contient pas de clé privée.',
    advice: 'Indiquez celui de gpg --armor --export-secret-keys.',
  },
  KEY_FILE_OPEN: {
    what: 'D’autres peuvent lire le fichier de la clé du registre.',
    advice: 'Fermez-le avec chmod 600 ; si d’autres ont pu le lire, créez une nouvelle clé.',
  },
  KEY_FILE_EXISTS: {
    what: 'Il y a déjà une clé du registre.',
    advice: 'Gardez-la : ce qu’elle a signé ne vaut que par elle.',
  },
  KEY_FILE_INVALID: {
    what: 'Le fichier ne contient pas de clé du registre.',
    advice: 'Remettez le bon fichier, ou créez une clé et faites-la inscrire par l’administrateur.',
  },
  MANIFEST_EMPTY: {
    what: 'La région ne contient aucune entrée de ce site.',
    advice: 'Vérifiez le site, l’espace et l’adresse, et regardez dans l’autre région.',
  },
  MANIFEST_TRUNCATED: {
    what: 'Une entrée du registre est coupée.',
    advice: 'Lisez le registre de l’autre région et recopiez l’entrée depuis là.',
  },
  MANIFEST_ALTERED: {
    what: 'Une entrée du registre n’est pas telle qu’elle a été signée.',
    advice: otherManifest,
  },
  MANIFEST_UNTRUSTED: {
    what: 'Une entrée du registre est signée par une clé inconnue.',
    advice: 'Comparez l’empreinte avec la trousse imprimée et cherchez qui peut écrire dans cet espace.',
  },
  MANIFEST_SWAPPED: { what: 'Sous le nom d’une entrée se trouve une autre entrée.', advice: otherManifest },
  MANIFEST_GAP: { what: 'Il manque une entrée au registre.', advice: upTo },
  MANIFEST_BROKEN_CHAIN: { what: 'Une entrée du registre ne suit pas la précédente.', advice: upTo },
  MANIFEST_FORKED: {
    what: 'Deux entrées du registre portent le même numéro.',
    advice:
      'Trouvez et arrêtez la seconde machine qui sauvegarde ce site ; lisez avec --up-to avant la bifurcation.',
  },
  MANIFEST_OLDER: {
    what: 'Le registre est plus ancien que ce que cette machine a déjà vu.',
    advice:
      'Prenez la région la plus avancée : à celle-ci il manque des entrées, ou on l’a remise en arrière.',
  },
  MANIFEST_PAGE: {
    what: 'Une page du registre manque ou a été changée.',
    advice: 'Lisez le registre de l’autre région, ou un état antérieur avec --up-to.',
  },
  MANIFEST_TWO_WRITERS: {
    what: 'Une seconde machine écrit au nom de ce site.',
    advice: 'Trouvez-la et arrêtez-la, puis reprenez le registre depuis les régions.',
  },
  MANIFEST_STATE: {
    what: 'Ce que cette machine garde du registre est abîmé.',
    advice: 'Reprenez le registre depuis les régions.',
  },
  REGION_UNREACHABLE: {
    what: 'La région ne répond pas.',
    advice:
      'Rien à faire : un nouvel essai aura lieu et l’autre région continue. Si cela dure, vérifiez la liaison.',
  },
  REGION_CLOCK: {
    what: 'L’horloge de cette machine est trop loin de celle de la région.',
    advice: 'Mettez l’horloge à l’heure (NTP) : sinon la région refuse les demandes.',
  },
  REGION_REFUSED: {
    what: 'La région refuse.',
    advice: 'Vérifiez les identifiants et leurs droits : ils ont peut-être été retirés ou changés.',
  },
  REGION_BUCKET_MISSING: {
    what: 'L’espace de stockage n’existe pas.',
    advice: 'Vérifiez l’adresse et le nom, et que personne ne l’a supprimé.',
  },
  REGION_FULL: {
    what: 'La région est pleine.',
    advice: 'Libérez de la place ou augmentez le quota chez l’hébergeur ; les objets attendent ici.',
  },
  REGION_LIED: {
    what: 'La région ne contient pas ce qu’elle a confirmé.',
    advice: 'Ne comptez pas sur cette région avant d’avoir compris pourquoi.',
  },
  REGION_NOT_FOUND: {
    what: 'L’objet n’est pas dans la région.',
    advice: 'Regardez si l’autre région l’a, et si quelqu’un l’a supprimé ici.',
  },
  REGION_UNSUITABLE: {
    what: 'Ce stockage ne sait pas faire ce qu’il faut aux sauvegardes.',
    advice: 'Voyez ce qui est demandé à une région dans OPERATIONS.md.',
  },
  FILE_CHANGED: {
    what: 'Le fichier sur ce disque n’est plus celui qui a été chiffré.',
    advice: 'Contrôlez le disque et refaites la sauvegarde.',
  },
  RESTORE_TARGET_INVALID: {
    what: 'Le moment demandé n’est pas clair.',
    advice: 'Donnez-le avec son fuseau : "2026-11-23 10:31:59 Africa/Douala" ou 2026-11-23T09:31:59Z.',
  },
  RESTORE_NO_BASE: {
    what: 'Aucune base ne précède ce moment.',
    advice:
      'Choisissez un moment plus tardif, ou restaurez un dump : `skooly-backup list` montre ce qu’il y a.',
  },
  RESTORE_NO_DUMP: {
    what: 'Il n’y a pas de dump de ce jour.',
    advice: 'Choisissez un autre jour : `skooly-backup list --kind dump` les montre.',
  },
  RESTORE_NOT_REACHED: {
    what: 'Les WAL ne vont pas jusqu’à ce moment.',
    advice: 'Choisissez un moment antérieur, ou --latest : `skooly-backup list` montre jusqu’où ils vont.',
  },
  RESTORE_WAL_GAP: {
    what: 'Il manque un segment WAL avant ce moment.',
    advice: 'Choisissez un moment avant le trou, ou après la base qui le suit.',
  },
  RESTORE_FOLDER_NOT_EMPTY: {
    what: 'Le dossier n’est pas vide.',
    advice: 'Indiquez un dossier vide ou qui n’existe pas encore.',
  },
  RESTORE_FOLDER_UNUSABLE: {
    what: 'Le dossier ne peut pas servir.',
    advice: 'Indiquez un dossier sur un disque qui a de la place, où l’utilisateur de Postgres peut entrer.',
  },
  RESTORE_POSTGRES_MISSING: {
    what: 'Cette machine n’a pas la bonne version de PostgreSQL.',
    advice: 'Installez cette version majeure : https://apt.postgresql.org',
  },
  RESTORE_OBJECT_DAMAGED: {
    what: 'Un objet est abîmé dans chaque région interrogée.',
    advice:
      'Essayez l’autre région avec --region ; sinon une base antérieure avec --base, ou un autre moment.',
  },
  RESTORE_OBJECT_UNREACHABLE: {
    what: 'Aucune région ne donne cet objet.',
    advice: 'Vérifiez le réseau et les identifiants des régions, puis recommencez.',
  },
  RESTORE_BASE_DAMAGED: {
    what: 'La base ne passe pas le contrôle de pg_verifybackup.',
    advice: 'Restaurez le même moment depuis une base antérieure : --base ; `skooly-backup list` les montre.',
  },
  RESTORE_POSTGRES_FAILED: {
    what: 'Le serveur n’a pas démarré.',
    advice: 'Lisez son journal, que le détail indique.',
  },
  RESTORE_TARGET_MISSED: {
    what: 'Le serveur n’est pas au moment demandé.',
    advice: 'N’utilisez pas cette base. Gardez le dossier et son journal, et demandez de l’aide.',
  },
  RESTORE_DUMP_FAILED: {
    what: 'pg_restore a échoué.',
    advice: 'N’utilisez pas cette base ; essayez le dump d’un autre jour.',
  },
  RESTORE_DATA_DIFFERS: {
    what: 'Les données ne sont pas celles qui ont été sauvegardées.',
    advice: 'N’utilisez pas cette base ; essayez une autre sauvegarde et gardez celle-ci pour l’enquête.',
  },
  ROWS_BACK_TABLE_UNKNOWN: {
    what: 'La table n’existe pas aujourd’hui, ou n’existait pas alors.',
    advice:
      'Nommez-la avec son schéma : public.users. Table supprimée : voyez RESTORE.md, « A dropped table ».',
  },
  ROWS_BACK_NO_KEY: {
    what: 'La table n’a pas de clé primaire.',
    advice: 'Comparez à la main : sans clé, on ne distingue pas les lignes.',
  },
  ROWS_BACK_COLUMN_GONE: {
    what: 'Une colonne d’alors n’existe plus.',
    advice: 'Remettez la colonne, ou copiez les lignes à la main : ses valeurs seraient perdues.',
  },
  ROWS_BACK_ALTERED: {
    what: 'Un trigger a changé ce qui revenait ; rien n’a été modifié.',
    advice: 'Désactivez le trigger de la table pendant le retour des lignes.',
  },
  ROWS_BACK_FAILED: {
    what: 'Postgres refuse ; rien n’a été modifié.',
    advice: 'Corrigez ce que Postgres indique, puis recommencez.',
  },
  SEAL_TARGET_EXISTS: {
    what: 'Le fichier à écrire existe déjà.',
    advice: 'Chiffrez dans un nouveau fichier.',
  },
  SEAL_NO_RECIPIENTS: {
    what: 'Il n’y a personne pour qui chiffrer.',
    advice: 'Inscrivez la clé de l’administrateur et la clé de secours avant les sauvegardes.',
  },
  SEAL_WRONG_KEY: {
    what: 'Cette clé n’ouvre pas l’objet.',
    advice: 'Prenez la clé privée d’un des destinataires que le registre nomme pour cet objet.',
  },
  SEAL_PASSPHRASE: {
    what: 'La phrase secrète n’ouvre pas la clé privée.',
    advice: 'Saisissez-la de nouveau, en vérifiant le clavier.',
  },
  SEAL_TRUNCATED: { what: 'L’objet chiffré est coupé.', advice: otherRegion },
  SEAL_ALTERED: { what: 'L’objet chiffré a été modifié.', advice: otherRegion },
  SEAL_UNSUPPORTED: {
    what: 'Ce message OpenPGP n’est pas de ce programme.',
    advice: 'Ouvrez-le à la main avec gpg --decrypt.',
  },
  SEAL_GPG: {
    what: 'gpg ne fonctionne pas, ou n’a pas la clé.',
    advice: 'Vérifiez que gpg est installé, que son agent tourne et que la clé est dans ce GNUPGHOME.',
  },
  OBJECT_TRUNCATED: { what: 'L’objet est plus court que ce que dit le registre.', advice: otherRegion },
  OBJECT_ALTERED: { what: 'L’objet n’est pas celui que nomme le registre.', advice: otherRegion },
  OBJECT_SWAPPED: {
    what: 'Sous ce nom se trouve un autre objet.',
    advice: `${otherRegion} Cherchez qui écrit ici.`,
  },
  SOURCE_NO_BINARY: {
    what: 'Les programmes de la version du serveur manquent.',
    advice: 'Installez postgresql-client de la même version majeure que le serveur.',
  },
  SOURCE_FAILED: {
    what: 'La sauvegarde a échoué à la source.',
    advice: 'Lisez ce qu’a dit le programme, corrigez, puis relancez la sauvegarde.',
  },
  SOURCE_STALLED: {
    what: 'La source ne donne plus rien.',
    advice: 'Cherchez un verrou, un disque plein ou un archivage refusé, puis relancez la sauvegarde.',
  },
  SOURCE_UNREACHABLE: {
    what: 'La base de données ne répond pas.',
    advice: 'Démarrez Postgres, ou corrigez son adresse et le mot de passe du rôle de sauvegarde.',
  },
  SOURCE_TABLESPACES: {
    what: 'La base utilise d’autres tablespaces.',
    advice: 'Déplacez leur contenu dans celui par défaut : une base est un seul flux.',
  },
  SOURCE_MISMATCH: {
    what: 'Ce que le serveur a envoyé diffère de son propre manifeste.',
    advice: 'Contrôlez le disque du serveur. La sauvegarde n’a pas été gardée.',
  },
  SOURCE_SETTINGS: {
    what: 'Un réglage de PostgreSQL empêche l’archivage.',
    advice: 'Corrigez-le dans postgresql.conf et redémarrez Postgres.',
  },
  SYNC_LOG_TRIMMED: {
    what: 'Une partie du journal de synchronisation a été enlevée avant d’être sauvegardée.',
    advice: 'Rien à faire si le cloud l’a confirmée ; sinon lancez une resynchronisation du campus.',
  },
  SPOOL_TOO_NEW: {
    what: 'La file d’attente vient d’une version plus récente.',
    advice: 'Installez cette version ou une plus récente, jamais une plus ancienne.',
  },
  SPOOL_DIFFERENT: {
    what: 'Ce qui a été chiffré n’est pas ce qui a été pris.',
    advice: 'Contrôlez le disque d’attente. Le fichier en clair a été gardé.',
  },
  SYNC_LOG_MISSING: {
    what: 'Il n’y a pas de journal de synchronisation, ou pas de cette époque.',
    advice: 'Regardez tout ce qu’il y a : `skooly-backup list --kind sync-log --json`.',
  },
  SYNC_LOG_GAP: {
    what: 'Il manque des transactions au journal de synchronisation.',
    advice:
      'Prenez la suite avec --from : cela suffit si le cloud a tout ce qui précède ; adopt-log le vérifie.',
  },
  SYNC_LOG_DIFFERS: {
    what: 'Deux objets ne disent pas la même chose d’une transaction.',
    advice:
      'Deux machines ont sauvegardé un même journal : lisez l’état d’avant avec --up-to et demandez de l’aide.',
  },
  SYNC_LOG_FILE: {
    what: 'Le fichier existe déjà, ou ne peut pas être écrit.',
    advice: 'Indiquez un fichier nouveau, là où cet utilisateur peut écrire.',
  },
  WAL_DIFFERENT: {
    what: 'Un segment WAL a déjà été pris avec un autre contenu.',
    advice: 'Deux serveurs archivent sous un même nom : arrêtez le mauvais ; rien n’a été écrasé.',
  },
  WAL_FOREIGN: {
    what: 'Ce WAL est d’un autre serveur.',
    advice: 'Corrigez archive_command là-bas, ou créez un nouveau site pour lui.',
  },
  WAL_INCOMPLETE: {
    what: 'Un fichier WAL est arrivé incomplet.',
    advice: 'Rien à faire : Postgres le redonne.',
  },
  WAL_NAME: {
    what: 'Ce n’est pas le nom d’un fichier WAL.',
    advice: 'Utilisez l’archive_command que ce programme affiche.',
  },
  WAL_SPOOL_FULL: {
    what: 'La file d’attente est pleine.',
    advice:
      'Libérez de la place ou rétablissez une région : Postgres garde ses WAL et son disque se remplit.',
  },
  WAL_REFUSED: {
    what: 'L’archivage est refusé.',
    advice: 'Laissez l’utilisateur de Postgres lire le fichier d’accès que ce programme écrit.',
  },
};

export function frenchError(code: unknown): FrenchError | null {
  return typeof code === 'string' && Object.hasOwn(frenchErrors, code)
    ? frenchErrors[code as ErrorCode]
    : null;
}
