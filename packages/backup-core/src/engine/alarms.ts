/**
 * What somebody has to know or do, as a pure function of how things stand. Each alarm has a code, says what is the matter in
 * both languages, and in one sentence what to do.
 */
import type { SettingProblem } from '../source/wal/wal-settings.ts';
import type { SpoolLevel } from '../spool/bounds.ts';
import type { RegionTrouble } from '../upload/region-state.ts';

export interface Alarm {
  readonly code: AlarmCode;
  /** `watch`: it may pass by itself. `act`: somebody has to do something. */
  readonly level: 'watch' | 'act';
  readonly fr: string;
  readonly en: string;
}

export type AlarmCode =
  | 'RPO_EXCEEDED'
  | 'NOTHING_RESTORABLE'
  | 'WAL_GAP'
  | 'DUMP_MISSING'
  | 'SPOOL_FILLING'
  | 'ARCHIVE_STOPPED'
  | 'REGION_TROUBLE'
  | 'SERVER_UNREACHABLE'
  | 'ARCHIVE_SETTINGS'
  | 'WAL_REFUSED'
  | 'MANIFEST_TROUBLE'
  | 'KEY_EXPIRES';

export interface Standing {
  readonly now: number;
  readonly rpoMs: number | null;
  readonly rpoLimitMs: number;
  /** Since when the engine runs: what was never made yet is no alarm in the first minutes. */
  readonly runningSinceMs: number;
  readonly gaps: number;
  /** When the last dump was made, ms since 1970. */
  readonly lastDumpMs: number | null;
  readonly spoolLevel: SpoolLevel;
  readonly regions: readonly { readonly region: string; readonly trouble: RegionTrouble | null }[];
  readonly server: { readonly error: string | null; readonly settings: readonly SettingProblem[] };
  readonly walRefused: string | null;
  readonly manifestError: string | null;
  readonly keys: readonly { readonly userId: string; readonly expires: Date | null }[];
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const startMs = 15 * MINUTE_MS;
const dumpLateMs = 30 * 60 * MINUTE_MS;
const keySoonMs = 60 * DAY_MS;

export function alarmsOf(at: Standing): Alarm[] {
  return [
    ...lossAlarms(at),
    ...spoolAlarms(at),
    ...at.regions.flatMap(({ region, trouble }) => (trouble ? [regionAlarm(region, trouble)] : [])),
    ...serverAlarms(at),
    ...keyAlarms(at),
  ];
}

function lossAlarms({ now, rpoMs, rpoLimitMs, runningSinceMs, gaps, lastDumpMs }: Standing): Alarm[] {
  const alarms: Alarm[] = [];
  const isSettled = now - runningSinceMs > startMs;
  if (rpoMs === null && isSettled)
    alarms.push({
      code: 'NOTHING_RESTORABLE',
      level: 'act',
      fr: 'Une région au moins ne pourrait rien restaurer : il y manque une sauvegarde de base ou sa suite.',
      en: 'At least one region could restore nothing: a base backup or what follows it is missing there.',
    });
  if (rpoMs !== null && rpoMs > rpoLimitMs)
    alarms.push({
      code: 'RPO_EXCEEDED',
      level: 'act',
      fr: `Si cette machine brûlait maintenant, ${minutes(rpoMs)} min de travail seraient perdues dans une région au moins.`,
      en: `If this machine burnt now, ${minutes(rpoMs)} min of work would be lost in at least one region.`,
    });
  if (gaps > 0)
    alarms.push({
      code: 'WAL_GAP',
      level: 'act',
      fr: 'Il manque un segment du journal de la base : faites tout de suite une sauvegarde de base.',
      en: 'A segment of the WAL is missing: make a base backup at once.',
    });
  if (isSettled && (lastDumpMs === null || now - lastDumpMs > dumpLateMs))
    alarms.push({
      code: 'DUMP_MISSING',
      level: 'act',
      fr: 'La sauvegarde de la nuit n’a pas été faite.',
      en: 'The dump of the night was not made.',
    });
  return alarms;
}

function spoolAlarms({ spoolLevel }: Standing): Alarm[] {
  if (spoolLevel === 'roomy') return [];
  if (spoolLevel === 'full')
    return [
      {
        code: 'ARCHIVE_STOPPED',
        level: 'act',
        fr: 'Plus de place : le journal de la base reste dans PostgreSQL, dont le disque se remplit. Libérez de la place.',
        en: 'No room: the WAL stays with PostgreSQL, whose disk fills. Make room.',
      },
    ];
  return [
    {
      code: 'SPOOL_FILLING',
      level: spoolLevel === 'tight' ? 'act' : 'watch',
      fr: 'Les sauvegardes en attente d’envoi remplissent le disque.',
      en: 'Backups that wait to be sent fill the disk.',
    },
  ];
}

function regionAlarm(region: string, { code, message, mayPass }: RegionTrouble): Alarm {
  return {
    code: 'REGION_TROUBLE',
    level: mayPass ? 'watch' : 'act',
    fr: `La région ${region} ne prend rien (${code}). Les sauvegardes attendent ici ; l’autre région continue.`,
    en: `${message} (${code}) Backups wait here; the other region goes on.`,
  };
}

function serverAlarms({ server, walRefused, manifestError }: Standing): Alarm[] {
  const alarms: Alarm[] = [];
  if (server.error !== null)
    alarms.push({
      code: 'SERVER_UNREACHABLE',
      level: 'watch',
      fr: 'La base de données ne répond pas aux sauvegardes.',
      en: `The database does not answer the backups: ${server.error}`,
    });
  for (const { setting, found, wanted } of server.settings)
    alarms.push({
      code: 'ARCHIVE_SETTINGS',
      level: 'act',
      fr: `Réglage ${setting} de PostgreSQL : « ${found} » au lieu de « ${wanted} ».`,
      en: `PostgreSQL's setting ${setting} is "${found}" instead of "${wanted}".`,
    });
  if (walRefused !== null)
    alarms.push({
      code: 'WAL_REFUSED',
      level: 'act',
      fr: `Un segment du journal a été refusé : ${walRefused}`,
      en: `A segment of the WAL was refused: ${walRefused}`,
    });
  if (manifestError !== null)
    alarms.push({
      code: 'MANIFEST_TROUBLE',
      level: 'act',
      fr: `Le registre signé des sauvegardes n’avance plus : ${manifestError}`,
      en: `The signed manifest does not go on: ${manifestError}`,
    });
  return alarms;
}

function keyAlarms({ keys, now }: Standing): Alarm[] {
  return keys
    .filter(({ expires }) => expires !== null && expires.getTime() - now < keySoonMs)
    .map(({ userId, expires }) => ({
      code: 'KEY_EXPIRES' as const,
      level: 'act' as const,
      fr: `La clé de ${userId} expire le ${frenchDate(expires as Date)} : inscrivez la suivante.`,
      en: `The key of ${userId} expires on ${(expires as Date).toISOString().slice(0, 10)}: enrol the next one.`,
    }));
}

function minutes(ms: number): number {
  return Math.round(ms / MINUTE_MS);
}

function frenchDate(date: Date): string {
  return date.toISOString().slice(0, 10).split('-').reverse().join('/');
}
