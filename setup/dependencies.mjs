import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findNode, pathWith } from './node.mjs';
import { runQuietly } from './run-quietly.mjs';

export function dependencyNeeds(root) {
  if (areInstalled(root)) return [];
  const install = () => {
    const env = { ...process.env, PATH: pathWith(findNode(root)) };
    runQuietly(root, 'npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: root, env });
    writeStamp(root);
  };
  return [{ what: 'npm dependencies', how: 'npm ci, from the lock file', install }];
}

/**
 * The stamp answers at once. Without one (a person ran npm), npm's own record of what it installed is held against the lock
 * file, so that a tree in use is not thrown away for nothing.
 */
function areInstalled(root) {
  const record = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(record)) return false;
  if (existsSync(stampFile(root)) && readFileSync(stampFile(root), 'utf8') === lockHash(root)) return true;
  if (!sameVersions(readPackages(join(root, 'package-lock.json')), readPackages(record))) return false;
  writeStamp(root);
  return true;
}

function sameVersions(locked, installed) {
  const wanted = Object.entries(locked).filter(([path]) => path.includes('node_modules/'));
  return wanted.every(([path, { version, optional }]) => {
    const there = installed[path];
    return there === undefined ? optional === true : there.version === version;
  });
}

function readPackages(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages;
}

function lockHash(root) {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
}

function stampFile(root) {
  return join(root, 'node_modules', '.setup-stamp');
}

function writeStamp(root) {
  try {
    writeFileSync(stampFile(root), lockHash(root));
  } catch (error) {
    // Without the right to write there, the next run compares again, which is slower and no less right.
    if (error.code !== 'EACCES' && error.code !== 'EROFS') throw error;
  }
}
