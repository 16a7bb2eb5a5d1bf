/**
 * Writers of a school at work: small transactions of one or two rows, inserts and updates, each sent at once when the one before is
 * committed. Every row that they write carries the transaction's tag, so that it can be told afterwards which transaction a
 * change belongs to, and each writer keeps to pupils of its own, so that none waits for another's lock.
 */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { campus } from './school-mix.ts';

/** Without tables and operations it says nothing: `public.mark update <id> <tag>`. */
type ExpectedChange = string;

export interface Committed {
  tag: string;
  changes: ExpectedChange[];
}

/** Which column of a table carries the tag. */
export const tagColumns: Readonly<Record<string, string>> = {
  'public.pupil': 'updated_by',
  'public.attendance': 'taken_by',
  'public.mark': 'entered_by',
  'public.payment': 'recorded_by',
  'public.receipt': 'number',
};

interface Write {
  sql: string;
  changes: ExpectedChange[];
  /** Marks that it entered. */
  marks?: string[];
}

export class Writer {
  /** In the order in which they were committed. */
  readonly committed: Committed[] = [];
  readonly #name: string;
  readonly #pupils: readonly string[];
  readonly #client: pg.Client;
  #marks: string[] = [];

  private constructor(name: string, pupils: readonly string[], client: pg.Client) {
    this.#name = name;
    this.#pupils = pupils;
    this.#client = client;
  }

  static async open(url: string, names: readonly string[]): Promise<Writer[]> {
    const clients = names.map(() => new pg.Client({ connectionString: url }));
    await Promise.all(clients.map((client) => client.connect()));
    const { rows } = await (clients[0] as pg.Client).query<{ id: string }>(
      'SELECT id FROM pupil ORDER BY id',
    );
    return clients.map((client, place) => {
      const own = rows.filter((_, index) => index % names.length === place).map(({ id }) => id);
      return new Writer(names[place] as string, own, client);
    });
  }

  async run(transactions: number): Promise<void> {
    for (let done = 0; done < transactions; done++) {
      const tag = `${this.#name}-${this.committed.length}`;
      const { sql, changes, marks } = this.#next(this.committed.length, tag);
      await this.#client.query(`BEGIN; ${sql}; COMMIT`);
      this.committed.push({ tag, changes });
      if (marks !== undefined) this.#marks = marks;
    }
  }

  async end(): Promise<void> {
    await this.#client.end();
  }

  /** Of twenty transactions seven call the roll, five enter marks, three take a payment, five correct. */
  #next(n: number, tag: string): Write {
    const kind = n % 20;
    const [who, other] = [this.#pupil(n), this.#pupil(n * 7 + 1)];
    const [id, second] = [randomUUID(), randomUUID()];
    const quoted = `'${campus}'`;
    if (kind < 7)
      return {
        sql: `INSERT INTO attendance VALUES ('${id}', ${quoted}, '${who}', now(), 'absent', '${tag}'), ('${second}', ${quoted}, '${other}', now(), 'late', '${tag}')`,
        changes: [`public.attendance insert ${id} ${tag}`, `public.attendance insert ${second} ${tag}`],
      };
    if (kind < 12)
      return {
        sql: `INSERT INTO mark VALUES ('${id}', ${quoted}, '${who}', 'MATH', ${(n % 81) / 4}, '${tag}'), ('${second}', ${quoted}, '${other}', 'PCT', ${(n % 77) / 4}, '${tag}')`,
        changes: [`public.mark insert ${id} ${tag}`, `public.mark insert ${second} ${tag}`],
        marks: [id, second],
      };
    if (kind < 15)
      return {
        sql: `INSERT INTO payment VALUES ('${id}', ${quoted}, '${who}', 7500, 'cash', now(), '${tag}'); INSERT INTO receipt VALUES ('${second}', ${quoted}, '${id}', '${tag}')`,
        changes: [`public.payment insert ${id} ${tag}`, `public.receipt insert ${second} ${tag}`],
      };
    const [mark] = this.#marks;
    const phone = `2377${String(n).padStart(8, '0')}`;
    return {
      sql: `UPDATE pupil SET guardian_phone = '${phone}', updated_by = '${tag}' WHERE id = '${who}'; UPDATE mark SET value = ${20 - (n % 81) / 4}, entered_by = '${tag}' WHERE id = '${mark}'`,
      changes: [`public.pupil update ${who} ${tag}`, `public.mark update ${mark} ${tag}`],
    };
  }

  #pupil(n: number): string {
    return this.#pupils[n % this.#pupils.length] as string;
  }
}
