/**
 * Reads the one JSON file of `skooly-backup`: every field against its schema, then what must fit together. Secrets stand in
 * files of their own, whose names are checked here and which are read when they are used. The first thing that is wrong is
 * refused with one sentence that names the field and the fix.
 */
import { readFileSync, statSync } from 'node:fs';
import { Value } from 'typebox/value';
import { type RetentionPolicy, usualPolicy } from '../../retention/policy.ts';
import { ConfigError } from './errors.ts';
import { Fields, type RegionValues, type Values } from './fields.ts';

export interface BackupConfig extends Omit<Values, 'retention'> {
  readonly file: string;
  readonly retention: RetentionPolicy;
}

export function readConfig(file: string): BackupConfig {
  const values = parse(file);
  const problem = firstProblem(values);
  if (problem) throw problem;
  const { retention, ...rest } = values as Values;
  const names = rest.regions.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw new ConfigError('regions', `name ${twice} twice`, 'give each region a name of its own');
  if (!rest.trustedKeys && !rest.manifestKeyFile)
    throw new ConfigError('trustedKeys', 'is not set', 'copy the key of the site from the emergency kit');
  return { ...rest, file, retention: { ...usualPolicy, ...retention } };
}

function parse(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const fix = missing ? 'name it with --config, or write it as README.md shows' : 'put its JSON right';
    throw new ConfigError(
      file,
      missing ? 'does not exist' : `cannot be read (${(cause as Error).message})`,
      fix,
      {
        cause,
      },
    );
  }
}

interface Problem {
  instancePath: string;
  schemaPath: string;
  keyword: string;
  params: Record<string, unknown>;
  message: string;
}

function firstProblem(values: unknown): ConfigError | null {
  const [problem] = Value.Errors(Fields, values) as unknown as Problem[];
  if (!problem) return null;
  const path = problem.instancePath.slice(1).replaceAll('/', '.');
  const inside = (name: string) => (path ? `${path}.${name}` : name);
  const { requiredProperties, additionalProperties } = problem.params as Record<string, string[] | undefined>;
  if (requiredProperties?.[0]) {
    const name = requiredProperties[0];
    return new ConfigError(inside(name), 'is not set', fixOf(inside(name)) ?? 'set it');
  }
  if (additionalProperties?.[0])
    return new ConfigError(inside(additionalProperties[0]), 'is no setting', 'correct its name or remove it');
  const found = JSON.stringify(valueAt(values, path));
  return new ConfigError(path || 'the file', `is ${shortened(found)}`, fixOf(path) ?? problem.message);
}

function shortened(text: string | undefined): string {
  if (text === undefined) return 'not there';
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

type Node = { properties?: Record<string, Node>; items?: Node; fix?: string };

/** The `fix` of the field, or of the nearest one around it that has one. */
function fixOf(path: string): string | undefined {
  let node: Node | undefined = Fields as unknown as Node;
  let fix: string | undefined;
  for (const step of path.split('.').filter(Boolean)) {
    node = /^\d+$/.test(step) ? node?.items : node?.properties?.[step];
    fix = node?.fix ?? fix;
  }
  return fix;
}

function valueAt(values: unknown, path: string): unknown {
  let value = values;
  for (const step of path.split('.').filter(Boolean))
    value = (value as Record<string, unknown> | undefined)?.[step];
  return value;
}

/** What a command needs beyond the regions. */
export function required<K extends keyof BackupConfig>(
  config: BackupConfig,
  field: K,
): NonNullable<BackupConfig[K]> {
  const value = config[field];
  if (value !== undefined && value !== null) return value as NonNullable<BackupConfig[K]>;
  throw new ConfigError(field, 'is not set', fixOf(field) ?? 'set it: this command needs it');
}

/** A secret's file: its content without the line end. Refused when others than its user can read it. */
export function readSecret(field: string, file: string): string {
  try {
    if ((statSync(file).mode & 0o077) !== 0)
      throw new ConfigError(
        field,
        `names ${file}, which others can read`,
        `take it from them: chmod 600 ${file}`,
      );
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw new ConfigError(field, `names ${file}, which cannot be read`, 'correct it, or make the file', {
      cause,
    });
  }
}

export function regionField(config: BackupConfig, region: RegionValues, field: keyof RegionValues): string {
  return `regions.${config.regions.indexOf(region)}.${field}`;
}
