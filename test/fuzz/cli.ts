/** `npm run fuzz`: as many spoilt messages as wanted, for the decoders and for every route of the relay. */
import { Command, InvalidArgumentError } from 'commander';
import { fuzzCodec, fuzzPgoutput } from './decoders.ts';
import type { FuzzOptions, FuzzResult } from './failure.ts';
import { fuzzFeedBlocks } from './feed-blocks.ts';

const targets = ['pgoutput', 'codec', 'feed', 'routes'] as const;
type Target = (typeof targets)[number];

/** What of the messages goes where: a request costs a thousand times what a message of the stream costs. */
const shares: Record<Target, number> = { pgoutput: 0.65, codec: 0.2, feed: 0.1, routes: 0.05 };

interface Options {
  messages: number;
  seed: number;
  target: Target | 'all';
  only?: number;
  json?: boolean;
}

const progressEveryMs = 5_000;

export function buildCli(): Command {
  return new Command('fuzz')
    .description('Spoilt messages for the decoders and for every route of the relay: none may do harm.')
    .option('--messages <n>', 'how many', wholeNumber, 1_000_000)
    .option('--seed <n>', 'where chance begins', wholeNumber, 1)
    .option('--target <name>', `${targets.join(', ')} or all`, targetName, 'all')
    .option('--only <n>', 'with --target: this message alone', wholeNumber)
    .option('--json', 'end with one line of JSON')
    .action(async (options: Options) => {
      const results: FuzzResult[] = [];
      const chosen = options.target === 'all' ? targets : [options.target];
      for (const target of chosen) {
        const share = options.target === 'all' ? shares[target] : 1;
        const messages = Math.ceil(options.messages * share);
        results.push(await run(target, { ...options, messages, onProgress: progress(target, messages) }));
      }
      for (const { target, messages, accepted, refused } of results)
        process.stderr.write(
          `${target}: ${messages} messages, ${refused} refused, ${accepted} right all the same\n`,
        );
      if (options.json) process.stdout.write(`${JSON.stringify({ seed: options.seed, results })}\n`);
    });
}

async function run(target: Target, options: FuzzOptions): Promise<FuzzResult> {
  if (target === 'codec') return fuzzCodec(options);
  if (target === 'pgoutput') return fuzzPgoutput(options);
  if (target === 'feed') return fuzzFeedBlocks(options);
  const { fuzzRoutesAlone } = await import('./routes-alone.ts');
  return fuzzRoutesAlone(options);
}

function progress(target: string, messages: number): (done: number) => void {
  let last = Date.now();
  return (done) => {
    if (Date.now() - last < progressEveryMs) return;
    last = Date.now();
    process.stderr.write(`${target}: ${done} of ${messages}\n`);
  };
}

function wholeNumber(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError('give a whole number.');
  return Number(text);
}

function targetName(text: string): string {
  if (text === 'all' || targets.some((target) => target === text)) return text;
  throw new InvalidArgumentError(`choose one of ${targets.join(', ')}, all.`);
}
