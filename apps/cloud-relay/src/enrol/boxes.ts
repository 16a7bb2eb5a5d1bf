/** The boxes as an administrator sees them: each key with its state, and the record of decisions. */
import type { ClientBase } from 'pg';

export interface Boxes {
  boxes: { campus: string; fingerprint: string; state: string; asked_at: string }[];
  log: {
    at: string;
    campus: string;
    event: string;
    by_whom: string;
    fingerprint: string | null;
    detail: string | null;
  }[];
}

/** More of the record is in the table. */
const shownEntries = 200;

export async function readBoxes(client: ClientBase): Promise<Boxes> {
  const boxes = await client.query<Boxes['boxes'][number]>(
    'SELECT campus, fingerprint, state, asked_at FROM sync.box_key ORDER BY campus, asked_at',
  );
  const log = await client.query<Boxes['log'][number]>(
    'SELECT at, campus, event, by_whom, fingerprint, detail FROM sync.trust_log ORDER BY id DESC LIMIT $1',
    [shownEntries],
  );
  return { boxes: boxes.rows, log: log.rows.toReversed() };
}

export function boxesScreen({ boxes, log }: Boxes): string {
  const second = (time: string) => time.slice(0, 19);
  return [
    ...boxes.map((box) => `${box.campus}  ${box.fingerprint}  ${box.state}  asked ${second(box.asked_at)}`),
    '',
    ...log.map(({ at, campus, event, by_whom, fingerprint, detail }) =>
      [second(at), campus, event, `by ${by_whom}`, fingerprint, detail].filter(Boolean).join('  '),
    ),
  ].join('\n');
}
