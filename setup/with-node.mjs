/**
 * Runs a script of this repository on a machine where nothing is prepared but Node 18 or later and npm.
 *
 *   node setup/with-node.mjs [--tests] SCRIPT ARGS…
 *
 * In order: Node 24, npm dependencies, Debian packages (more of them with --tests), then the script, under Node 24. What is
 * missing is named before it is installed; a second run finds everything and only starts the script. It changes nothing
 * outside of this folder but Debian packages, and never starts or stops the machine's own Postgres.
 *
 * Plain JavaScript without dependencies, since it runs before either is there.
 */
import { resolve } from 'node:path';
import { debianNeeds } from './debian.mjs';
import { dependencyNeeds } from './dependencies.mjs';
import { withSetupLock } from './lock.mjs';
import { findNode, nodeNeeds } from './node.mjs';
import { runScript } from './run-script.mjs';
import { SetupError, say } from './say.mjs';

const root = resolve(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..');

/** Everything that is missing, in the order in which it can be installed. */
function missing(forTests) {
  return [...nodeNeeds(root), ...dependencyNeeds(root), ...debianNeeds(forTests)];
}

function install(forTests) {
  const needs = missing(forTests);
  if (needs.length === 0) return;
  say('Setting up what this machine lacks:');
  for (const need of needs) say(`  - ${need.what}: ${need.how}`);
  for (const need of needs) {
    const started = Date.now();
    need.install(root);
    say(`  ${need.what}: ready (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  }
}

async function main(args) {
  const forTests = args[0] === '--tests';
  const [script, ...rest] = forTests ? args.slice(1) : args;
  if (script === undefined) throw new SetupError('Usage: node setup/with-node.mjs [--tests] SCRIPT ARGS…');
  if (missing(forTests).length > 0) await withSetupLock(root, () => install(forTests));
  runScript(findNode(root), resolve(root, script), rest);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
