/** The status as a person reads it, in French or English. */
import { frenchError } from '../french/errors.ts';
import { describeMoment } from '../restore/target.ts';
import type { Alarm, RegionStatus, Status } from './status.ts';

type Language = 'en' | 'fr';

const alarmWords: Record<Language, Record<Alarm, string>> = {
  en: {
    NO_DUMP: 'no dump is in every region',
    DUMP_LATE: 'the last good dump is older than 30 hours',
    NO_BASE: 'no base is in every region',
    BASE_LATE: 'the last good base is older than 9 days',
    RPO_EXCEEDED: 'more than 5 minutes of work would be lost now',
    WAL_GAP: 'WAL is missing behind the newest base: take a new base',
    REGION_FAILED: 'a region cannot be read',
    REGION_BEHIND: 'a region is behind the other',
    DRILL_FAILED: 'the last restore drill failed',
    DRILL_MISSING: 'no restore drill has passed for too long',
    DAEMON_SILENT: 'the backup daemon of this machine does not run: start skooly-backup run',
  },
  fr: {
    NO_DUMP: 'aucun dump n’est dans toutes les régions',
    DUMP_LATE: 'le dernier bon dump a plus de 30 heures',
    NO_BASE: 'aucune base n’est dans toutes les régions',
    BASE_LATE: 'la dernière bonne base a plus de 9 jours',
    RPO_EXCEEDED: 'plus de 5 minutes de travail seraient perdues maintenant',
    WAL_GAP: 'il manque des WAL après la dernière base : faites une nouvelle base',
    REGION_FAILED: 'une région ne peut pas être lue',
    REGION_BEHIND: 'une région est en retard sur l’autre',
    DRILL_FAILED: 'le dernier exercice de restauration a échoué',
    DRILL_MISSING: 'aucun exercice de restauration réussi depuis trop longtemps',
    DAEMON_SILENT: 'le service de sauvegarde de cette machine ne tourne pas : lancez skooly-backup run',
  },
};

const labels = {
  en: {
    dump: 'Last good dump',
    base: 'Last good base',
    none: 'none',
    rpo: 'Lost if the host were gone now',
    unknown: 'not known',
    region: 'Region',
    wal: 'restores to',
    missing: 'objects missing',
    queue: 'waits for',
    objects: 'objects',
    drill: 'Next drill',
    proof: 'Last proof',
    passed: 'passed',
    failed: 'failed',
    ago: (text: string) => `${text} ago`,
    well: 'Everything is in order.',
    alarm: 'ALARM',
    state: { ok: 'in order', behind: 'behind', failed: 'FAILED' },
  },
  fr: {
    dump: 'Dernier bon dump',
    base: 'Dernière bonne base',
    none: 'aucun',
    rpo: 'Perdu si la machine disparaissait',
    unknown: 'inconnu',
    region: 'Région',
    wal: 'restaure jusqu’à',
    missing: 'objets manquants',
    queue: 'attend pour',
    objects: 'objets',
    drill: 'Prochain exercice',
    proof: 'Dernière preuve',
    passed: 'réussi',
    failed: 'échoué',
    ago: (text: string) => `il y a ${text}`,
    well: 'Tout est en ordre.',
    alarm: 'ALARME',
    state: { ok: 'en ordre', behind: 'en retard', failed: 'EN PANNE' },
  },
} as const;

export function statusScreen(status: Status, language: Language): string {
  const say = labels[language];
  const good = (one: Status['dump']) =>
    one ? `${describeMoment(Date.parse(one.at))} (${say.ago(span(one.ageMs))})` : say.none;
  const lines = [
    `${status.site}  ·  ${describeMoment(Date.parse(status.at))}`,
    field(say.dump, good(status.dump)),
    field(say.base, good(status.base)),
    field(say.rpo, status.rpoMs === null ? say.unknown : span(status.rpoMs)),
    ...status.regions.map((region) => regionLine(region, language)),
    ...(status.queue ?? []).map(({ region, objects, bytes }) =>
      field(`${say.queue} ${region}`, `${objects} ${say.objects}, ${(bytes / 1e6).toFixed(1)} MB`),
    ),
    ...status.drills.map(({ kind, next, region }) =>
      field(`${say.drill} (${kind})`, `${describeMoment(Date.parse(next))}, ${region}`),
    ),
    ...proofLine(status, language),
    '',
    ...status.alarms.map((alarm) => `${say.alarm} ${alarm}: ${alarmWords[language][alarm]}`),
    ...status.daemonAlarms
      .filter(({ code }) => !status.alarms.some((alarm) => alarm === code))
      .map((alarm) => `${say.alarm} ${alarm.code}: ${alarm[language]}`),
    ...(status.alarms.length + status.daemonAlarms.length === 0 ? [say.well] : []),
  ];
  return `${lines.join('\n')}\n`;
}

function regionLine(region: RegionStatus, language: Language): string {
  const { name, state, walUntil, missing } = region;
  const say = labels[language];
  const problem = problemOf(region, language);
  const until = walUntil ? `${say.wal} ${describeMoment(Date.parse(walUntil))}` : '';
  const lacks = missing ? `${missing} ${say.missing}` : '';
  return field(`${say.region} ${name}`, [say.state[state], problem, until, lacks].filter(Boolean).join(', '));
}

/** The state says in French that a region is behind: the number of its last entry is in `--json`. */
function problemOf({ state, problem, code }: RegionStatus, language: Language): string | null {
  if (language === 'en' || problem === null) return problem;
  if (state === 'behind') return null;
  return frenchError(code)?.what.replace(/\.$/, '') ?? problem;
}

function proofLine({ lastProof }: Status, language: Language): string[] {
  const say = labels[language];
  if (!lastProof) return [field(say.proof, say.none)];
  const { at, passed, region, rtoMs } = lastProof;
  const took = rtoMs === null ? '' : `, RTO ${span(rtoMs)}`;
  return [
    field(
      say.proof,
      `${describeMoment(Date.parse(at))}, ${region}, ${passed ? say.passed : say.failed}${took}`,
    ),
  ];
}

function field(label: string, text: string): string {
  return `${label.padEnd(36)}${text}`;
}

function span(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}
