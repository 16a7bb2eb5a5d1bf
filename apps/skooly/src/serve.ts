/** Listens until the signal, then finishes the requests in flight. Postgres may be away at any time, also at the start. */
import type { Logger } from 'pino';
import type { ServeConfig } from './config/config.ts';
import { openDatabase } from './database/database.ts';
import { SkoolyStartError } from './errors.ts';
import { buildSkooly } from './skooly.ts';

interface Running {
  logger: Logger;
  signal: AbortSignal;
}

export async function serve(config: ServeConfig, { logger, signal }: Running): Promise<void> {
  const database = openDatabase(config.databaseUrl, (error) => {
    logger.warn({ reason: error.message }, 'lost a connection to the database');
  });
  const { site, keys } = config;
  const server = await buildSkooly({ site, keys, database, now: Date.now, logger });
  try {
    await server.listen({ host: config.host, port: config.port }).catch((cause: NodeJS.ErrnoException) => {
      throw cannotListen(config, cause);
    });
    logger.info({ site, host: config.host, port: config.port }, 'serving');
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  } finally {
    await server.close();
    await database.close();
  }
}

function cannotListen({ host, port }: ServeConfig, cause: NodeJS.ErrnoException): SkoolyStartError {
  const why = cause.code === 'EADDRINUSE' ? 'is taken' : `cannot be used (${cause.code})`;
  return new SkoolyStartError(
    'CANNOT_LISTEN',
    `SKOOLY_LISTEN: port ${port} on ${host} ${why}, choose another.`,
    { cause },
  );
}
