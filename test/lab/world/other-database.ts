import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { LabError } from '../errors.ts';

export interface OtherDatabase {
  readonly schema: string;
  readonly seed: string;
  readonly syncMap: string;
}

/** The three files of a database that is not Skooly's. */
export function otherDatabase(dir: string): OtherDatabase {
  const at = (name: string) => {
    const file = join(resolve(dir), name);
    if (existsSync(file)) return file;
    const message = `--database ${dir} has no file ${name}.`;
    throw new LabError(
      'DATABASE_INVALID',
      message,
      'Give a folder with schema.sql, seed.sql and sync-map.json.',
    );
  };
  return { schema: at('schema.sql'), seed: at('seed.sql'), syncMap: at('sync-map.json') };
}
