import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { type DrillOptions, runDrill } from '../drill/drill.ts';
import { type DrillState, drillState } from '../drill/drill-schedule.ts';
import { type Proof, type SignedProof, signProof } from '../drill/proof.ts';
import { loadManifestKey } from '../keys/manifest-key.ts';
import { serverOwner } from '../restore/postgres/owner.ts';
import { decryptorOf, type KeyOptions, openArchive, readerOf, regionSettings } from './archive.ts';
import type { CliParts } from './cli.ts';
import { type BackupConfig, readConfig, required } from './config/config.ts';
import { ConfigError } from './config/errors.ts';
import { exitCodeHelp, exitCodes, reasonOf } from './exit-codes.ts';
import { progressLine } from './progress-line.ts';
import { drillPolicies, keepProof, proofPrefix, publishProof, readProofs } from './proofs.ts';
import { tellFault } from './restore-command.ts';
import { withConfig, withKey } from './shared-options.ts';
import type { Language } from './terminal.ts';
import { duration, words } from './words.ts';

interface Options extends KeyOptions {
  config: string;
  kind: Proof['kind'];
  region?: string;
  database: string;
  out?: string;
  ifDue?: boolean;
  json?: boolean;
}

export function addDrillCommand(program: Command, parts: CliParts): void {
  const command = program
    .command('drill')
    .description(
      'Restore into a scratch Postgres from one region alone, compare every table and total, try the application, sign a proof.',
    )
    .addOption(new Option('--kind <kind>', 'what is restored').choices(['base', 'dump']).default('base'))
    .option('--region <name>', 'the region that is read; otherwise the one whose turn it is')
    .option('--database <name>', 'the database whose tables were counted', 'skooly')
    .option('--out <folder>', 'where the proof is written; otherwise <stateDir>/proofs')
    .option('--if-due', 'only when the schedule says so: what a daily timer runs')
    .option('--json', 'the proof as one line of JSON')
    .addHelpText(
      'after',
      exitCodeHelp(['ok', 'failed', 'usage', 'unreachable', 'manifest', 'drillFailed', 'keys']),
    );
  withKey(withConfig(command)).action((options: Options) => drill(options, parts));
}

async function drill(options: Options, parts: CliParts): Promise<void> {
  const { openRegion, terminal, signal, now, setExitCode } = parts;
  const config = readConfig(options.config);
  const drills = required(config, 'drills');
  const scratch = needed(
    drills.scratchDir,
    'drills.scratchDir',
    'name a folder that the user postgres can enter',
  );
  const keyFile = needed(drills.keyFile, 'drills.keyFile', 'make one with `skooly-backup keys make`');
  const signer = await loadManifestKey(keyFile);
  const folder = options.out ?? join(required(config, 'stateDir'), 'proofs');
  const due = await stateOf(config, options.kind, parts);
  if (options.ifDue && due.next > now()) {
    terminal.write(`${options.kind}: ${words[terminal.language].drillDue} ${due.next.toISOString()}\n`);
    return;
  }
  const region = options.region ?? due.region;
  const decryptor = await decryptorOf(options, terminal);
  const archive = await openArchive({ config, openRegion, only: region, signal });
  try {
    const { smokeCommand } = drills;
    const proof = await runDrill({
      id: randomBytes(6).toString('hex'),
      site: config.site,
      kind: options.kind,
      region,
      objects: archive.objects,
      reader: readerOf(archive, decryptor, (fault) => tellFault(fault, terminal)),
      scratch,
      database: options.database,
      totals: config.totals ?? {},
      ...(smokeCommand !== undefined && { smoke: smokeBy(smokeCommand, signal) }),
      signal,
      now,
      nowMs: () => performance.now(),
      onProgress: progressLine(terminal),
    });
    const signed = signProof(proof, signer);
    const file = await keepProof(folder, signed);
    await publish(file, signed, config, parts);
    terminal.write(options.json ? `${JSON.stringify(proof)}\n` : proofText(proof, file, terminal.language));
    if (!proof.passed) setExitCode(exitCodes.drillFailed);
  } finally {
    archive.close();
  }
}

function needed(value: string | undefined, field: string, fix: string): string {
  if (value === undefined) throw new ConfigError(field, 'is not set', fix);
  return value;
}

/** Without any proof a drill is due at once. */
async function stateOf(
  config: BackupConfig,
  kind: Proof['kind'],
  { openRegion, signal, now }: CliParts,
): Promise<DrillState> {
  const opened = config.regions.map((values) => openRegion(regionSettings(config, values)));
  const names = opened.map(({ name }) => name) as [string, ...string[]];
  const proofs = await readProofs(config, opened, signal);
  for (const region of opened) region.close?.();
  return drillState(kind, proofs, names, drillPolicies(config)[kind], { now: now(), since: new Date(0) });
}

/** Into every region; one that does not take it is told of, and the others have it. */
async function publish(
  file: string,
  signed: SignedProof,
  config: BackupConfig,
  { openRegion, terminal, signal }: CliParts,
): Promise<void> {
  for (const values of config.regions) {
    const region = openRegion(regionSettings(config, values, proofPrefix(config.site)));
    await publishProof(file, signed, region, signal).catch((error: Error) =>
      terminal.complain(`${reasonOf(error, terminal.language)}\n`),
    );
    region.close?.();
  }
}

/** The command gets DATABASE_URL, and runs as the server's user, who may enter the socket's folder. */
function smokeBy(command: string, signal: AbortSignal): NonNullable<DrillOptions['smoke']> {
  return async (server, database) => {
    const { user } = server.connection(database);
    const url = `postgres://${user}@/${database}?host=${encodeURIComponent(server.socketFolder)}&port=${server.port}`;
    const child = spawn('/bin/sh', ['-c', command], {
      ...serverOwner(),
      cwd: '/',
      env: { ...process.env, DATABASE_URL: url },
      stdio: ['ignore', 'inherit', 'inherit'],
      signal,
    });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (code !== 0) throw new Error(`${command} ended with ${code}`);
  };
}

function proofText(
  { passed, region, object, compared, rtoMs, rpoMs, problems }: Proof,
  file: string,
  language: Language,
): string {
  const say = words[language];
  const times = `RTO ${rtoMs === null ? '–' : duration(rtoMs)}, RPO ${rpoMs === null ? '–' : duration(rpoMs)}`;
  const what = compared
    ? `${compared.tables} ${say.tables}, ${compared.rows} ${say.rowsCompared} ${compared.with}`
    : '';
  const lines = [
    `${passed ? say.passed : say.failed}  ${region}  ${object?.name ?? ''}  ${times}`,
    what,
    ...problems,
    `${say.proof}: ${file}`,
  ];
  return `${lines.filter(Boolean).join('\n')}\n`;
}
