/** The commands of the lab. Each acts on the lab of one folder, `.lab` unless told otherwise. */
import { Command, Option } from 'commander';
import { connectControl } from '../control/client.ts';
import { processNames } from '../world/world.ts';
import { printCable, printStatus } from './cable-and-status.ts';
import { runDay } from './day.ts';
import { endLab } from './down.ts';
import { showLogs } from './logs.ts';
import { fromHere, positiveNumber, wholeNumber } from './options.ts';
import { runLab, runLabDetached, runSupervisor } from './up.ts';
import { runVerify } from './verify.ts';

const DEFAULT_DIR = '.lab';
const whichCampus = ['--campus <id>', 'the cable of this campus (default: the first)'] as const;

export function buildCli(): Command {
  const program = new Command('lab').description(
    'A cloud, a campus and the cable between them, on this machine. Exit code 0 is good; 1 is a refusal or a difference.',
  );
  addUp(program);
  addCable(program);
  addProof(program);
  addProcesses(program);
  return program;
}

/** A command with the folder option that all have. */
function command(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .addOption(
      new Option('--dir <folder>', 'state folder')
        .default(fromHere(DEFAULT_DIR), DEFAULT_DIR)
        .argParser(fromHere),
    );
}

function addUp(program: Command): void {
  command(program, 'up', 'start the lab; what is in the folder is kept and goes on')
    .option('--detach', 'return when it is ready, and leave it running')
    .addOption(
      new Option('--seed <size>', 'how large the school is (default: small)').choices(['small', 'school']),
    )
    .option('--seed-number <n>', 'another number makes another school', wholeNumber)
    .option(
      '--database <folder>',
      'another database than Skooly: schema.sql, seed.sql, sync-map.json',
      fromHere,
    )
    .option('--campus <id>', 'the campus (default: mvan)')
    .option('--campuses <n>', 'how many campuses (default: 1)', wholeNumber)
    .option('--port-base <n>', 'first of consecutive ports (default: free ones)', wholeNumber)
    .action(({ detach, ...options }) => (detach ? runLabDetached(options) : runLab(options)));
  program
    .command('supervise <options>', { hidden: true })
    .action((options) => runSupervisor(JSON.parse(options)));
  command(program, 'down', 'end the lab; its databases are kept')
    .option('--purge', 'throw the databases away too')
    .action(endLab);
}

function addCable(program: Command): void {
  command(program, 'status', 'state, addresses, what is pending')
    .option('--json', 'for programs')
    .action(printStatus);
  command(program, 'cut', 'cut the cable: nothing gets through')
    .option('--refuse', 'refuse and reset connections instead of leaving them silent')
    .option(...whichCampus)
    .action(async ({ dir, refuse = false, campus }) =>
      printCable(await connectControl(dir)('POST', '/cut', { refuse, campus })),
    );
  command(program, 'heal', 'mend the cable')
    .option(...whichCampus)
    .action(async ({ dir, campus }) => printCable(await connectControl(dir)('POST', '/heal', { campus })));
  command(program, 'slow', 'make the cable narrow, slow or lossy; 0 kbps is without limit')
    .option('--kbps <n>', 'bandwidth of each direction', positiveNumber)
    .option('--rtt-ms <n>', 'round trip', positiveNumber)
    .option('--loss <percent>', 'lost packets, 0 to 90', positiveNumber)
    .option(...whichCampus)
    .action(async ({ dir, kbps, rttMs, loss, campus }) => {
      const shape = { kbps: kbps === 0 ? null : kbps, rttMs, lossPct: loss, campus };
      printCable(await connectControl(dir)('POST', '/slow', shape));
    });
}

function addProof(program: Command): void {
  command(
    program,
    'day',
    'a school day, from both sides at once; ends with every acknowledged write found on both',
  )
    .option('--minutes <n>', 'how long', positiveNumber, 1)
    .option('--seed-number <n>', 'another number makes another day', wholeNumber, 1)
    .action(runDay);
  command(program, 'verify', 'compare every synced table of campus and cloud, row by row')
    .option('--json', 'for programs')
    .option('--wait <seconds>', 'wait for both to become equal', positiveNumber, 0)
    .action(runVerify);
}

function addProcesses(program: Command): void {
  command(program, 'logs [name]', `the log of ${processNames.join(', ')}, or of the supervisor`)
    .option('-f, --follow', 'go on as it grows')
    .action(showLogs);
  const kill = command(program, 'kill <name>', 'kill a process, as a crash would; it starts again by itself')
    .option('--signal <name>', 'another signal', 'SIGKILL')
    .option('--hold', 'it stays down until `start`');
  kill.action(async (name, { dir, signal, hold = false }) => {
    await connectControl(dir)('POST', `/processes/${encodeURIComponent(name)}/kill`, { signal, hold });
    console.log(`${name} got ${signal}.`);
  });
  command(program, 'start <name>', 'start a process that is held down').action(async (name, { dir }) => {
    await connectControl(dir)('POST', `/processes/${encodeURIComponent(name)}/start`);
    console.log(`${name} is running.`);
  });
}
