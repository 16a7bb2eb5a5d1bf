/** For tests: two sites of Skooly, cloud and campus, that trust one another, over a seeded database of their own. */
import { createDatabase } from '../../../../test/support/postgres.ts';
import { type Database, openDatabase } from '../database/database.ts';
import { migrate } from '../database/migrate.ts';
import { defaultSeedNumber, labPassword, seed } from '../seed/seed.ts';
import type { SkoolyServer } from '../server-types.ts';
import { makeSessionKeys } from '../session/keys.fixture.ts';
import type { SessionKeys } from '../session/keys.ts';
import { buildSkooly } from '../skooly.ts';

export interface Site {
  server: SkoolyServer;
  keys: SessionKeys;
  /** Logs a lab person in and answers with the token. */
  login(login: string): Promise<string>;
  call(token: string, method: Method, url: string, payload?: object): Promise<Called>;
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH';

export interface Called {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes
  body: any;
  site: string;
}

export interface LabSites extends AsyncDisposable {
  url: string;
  database: Database;
  cloud: Site;
  campus: Site;
}

/** After the seeded term, so that nothing of this day is there yet. */
export const testNow = Date.parse('2026-02-10T09:00:00Z');
export const testDay = '2026-02-10';

export async function openLabSites(): Promise<LabSites> {
  const created = await createDatabase('skooly');
  await migrate(created.url);
  const database = openDatabase(created.url, () => {});
  await seed(database, { size: 'small', seedNumber: defaultSeedNumber });
  const keys = makeSessionKeys(['cloud', 'mvan', 'bonaberi']);
  const cloud = await openSite(database, keys('cloud'));
  const campus = await openSite(database, keys('mvan'));
  return {
    url: created.url,
    database,
    cloud,
    campus,
    async [Symbol.asyncDispose]() {
      await cloud.server.close();
      await campus.server.close();
      await database.close();
      await created.drop();
    },
  };
}

export async function openSite(database: Database, keys: SessionKeys, now = () => testNow): Promise<Site> {
  const server = await buildSkooly({ site: keys.site, keys, database, now });
  return {
    server,
    keys,
    async login(login) {
      const payload = { login, password: labPassword };
      const answer = await server.inject({ method: 'POST', url: '/api/login', payload });
      return answer.json().token;
    },
    async call(token, method, url, payload) {
      const headers = { authorization: `Bearer ${token}`, 'accept-language': 'en' };
      const answer = await server.inject({ method, url, headers, ...(payload && { payload }) });
      return { status: answer.statusCode, body: answer.json(), site: String(answer.headers['skooly-site']) };
    },
  };
}
