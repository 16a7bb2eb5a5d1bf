/**
 * What people do, small and often to the same few rows, so that the two sides meet: edits that clash, rows that come, go and
 * come back under their key, values handed on within a unique key, references to rows that the other side removes, money.
 */
import type { Row } from '@skooly-edge/sync-protocol';
import type { Desk } from './desk.ts';

type Act = (desk: Desk, campus: string) => Promise<void>;

/**
 * One or a few acts as one transaction.
 *
 * @param campus Whose rows.
 * @param moves Whether pupils are moved from one campus to another.
 */
export async function actSomehow(desk: Desk, campus: string, moves: boolean): Promise<void> {
  const ofSite = desk.site === 'cloud' ? cloudActs : campusActs;
  const acts = moves ? ofSite : ofSite.filter(([, act]) => act !== movePupil);
  const count = desk.chance.happens(0.3) ? desk.chance.between(2, 3) : 1;
  for (let i = 0; i < count; i++) {
    await pickWeighted(desk, acts)(desk, campus);
    await desk.think();
  }
}

const editPupil: Act = async (desk, campus) => {
  const pupil = await pickRow(desk, 'public.pupil', campus);
  if (!pupil) return;
  const values: Row = { updated_by: desk.site };
  for (const column of ['name', 'phone']) if (desk.chance.happens(0.45)) values[column] = desk.token();
  if (desk.chance.happens(0.5)) values.level = String(desk.chance.below(3));
  await desk.update('public.pupil', pupil, values);
};

const addPupil: Act = async (desk, campus) => {
  const klass = await pickRow(desk, 'public.klass', campus);
  const row: Row = {
    id: `${campus}-p${desk.chance.between(1, 7)}`,
    campus,
    klass_id: klass?.id ?? null,
    name: desk.token(),
    phone: desk.token(),
    level: '0',
    matricule: desk.chance.happens(0.5) ? matricule(desk) : null,
    updated_by: desk.site,
  };
  const taken = (await desk.rows('public.pupil')).some(({ id }) => id === row.id);
  if (!taken) await desk.insert('public.pupil', row);
};

const removePupil: Act = async (desk, campus) => {
  const pupil = await pickRow(desk, 'public.pupil', campus);
  if (!pupil) return;
  for (const mark of await desk.rows('public.mark'))
    if (mark.pupil_id === pupil.id && desk.chance.happens(0.9)) await desk.delete('public.mark', mark);
  await desk.delete('public.pupil', pupil);
  // The same key comes back as another row.
  if (desk.chance.happens(0.2))
    await desk.insert('public.pupil', { ...pupil, name: desk.token(), phone: desk.token() });
};

const changeKlass: Act = async (desk, campus) => {
  const picked = await pickRow(desk, 'public.pupil', campus);
  const klass = await pickRow(desk, 'public.klass', campus);
  const pupil = picked && (await desk.locked('public.pupil', picked));
  if (pupil?.campus !== campus || !klass) return;
  await desk.update('public.pupil', pupil, { klass_id: klass.id ?? null, updated_by: desk.site });
};

const giveMatricule: Act = async (desk, campus) => {
  const pupil = await pickRow(desk, 'public.pupil', campus);
  if (pupil) await desk.update('public.pupil', pupil, { matricule: matricule(desk), updated_by: desk.site });
};

/** Two rows exchange a unique value: by way of null, as a user's application has to. */
const swapMatricules: Act = async (desk, campus) => {
  const [one, other] = desk.chance
    .shuffled(await rowsOf(desk, 'public.pupil', campus))
    .filter((row) => row.matricule);
  if (!one || !other) return;
  await desk.update('public.pupil', one, { matricule: null });
  await desk.update('public.pupil', other, { matricule: one.matricule ?? null });
  await desk.update('public.pupil', one, { matricule: other.matricule ?? null });
};

const addKlass: Act = async (desk, campus) => {
  const id = `${campus}-k${desk.chance.between(1, 4)}`;
  const taken = (await desk.rows('public.klass')).some((row) => row.id === id);
  if (!taken) await desk.insert('public.klass', { id, campus, name: klassName(desk) });
};

const renameKlass: Act = async (desk, campus) => {
  const klass = await pickRow(desk, 'public.klass', campus);
  if (klass) await desk.update('public.klass', klass, { name: klassName(desk) });
};

const removeKlass: Act = async (desk, campus) => {
  const klass = await pickRow(desk, 'public.klass', campus);
  if (klass) await desk.delete('public.klass', klass);
};

const writeMark: Act = async (desk, campus) => {
  const pupil = await pickRow(desk, 'public.pupil', campus);
  if (!pupil) return;
  const key = { pupil_id: pupil.id ?? '', assessment: desk.chance.pick(['a1', 'a2']) };
  const known = (await desk.rows('public.mark')).find(
    (mark) => mark.pupil_id === key.pupil_id && mark.assessment === key.assessment,
  );
  if (!known) {
    await desk.insert('public.mark', { ...key, value: '5', most: '20', remark: desk.token() });
  } else if (desk.chance.happens(0.2)) await desk.delete('public.mark', key);
  else if (desk.chance.happens(0.4)) await desk.update('public.mark', key, { remark: desk.token() });
  else if (desk.chance.happens(0.5))
    await desk.update('public.mark', key, { value: String(desk.chance.below(20)) });
  // Each side keeps the rule by itself; both together may not.
  else await desk.update('public.mark', key, { most: String(desk.chance.between(3, 20)) });
};

const pay: Act = async (desk, campus) => {
  const picked = await pickRow(desk, 'public.pupil', campus);
  // Nobody takes money for a pupil who is being moved away.
  const pupil = picked && (await desk.locked('public.pupil', picked));
  if (pupil?.campus !== campus) return;
  const id = desk.token();
  const amount = 1_000 * desk.chance.between(1, 50);
  // Numbers of receipts should be each site's own; sometimes somebody types one.
  const receipt = desk.chance.happens(0.1) ? `R${desk.chance.below(3)}` : id;
  await desk.insert('public.payment', {
    id,
    campus,
    pupil_id: pupil.id ?? null,
    amount: String(amount),
    receipt,
  });
  desk.paid(id, amount);
};

const changePayment: Act = async (desk, campus) => {
  const payment = await pickRow(desk, 'public.payment', campus);
  if (payment) await desk.update('public.payment', payment, { receipt: desk.token() });
};

const writeNotice: Act = async (desk) => {
  const id = `n${desk.chance.between(1, 4)}`;
  const known = (await desk.rows('public.notice')).find((row) => row.id === id);
  if (!known) await desk.insert('public.notice', { id, title: title(desk), body: desk.token(), level: '0' });
  else if (desk.chance.happens(0.15)) await desk.delete('public.notice', known);
  else if (desk.chance.happens(0.2)) await desk.update('public.notice', known, { title: title(desk) });
  else if (desk.chance.happens(0.4))
    await desk.update('public.notice', known, { level: String(desk.chance.below(3)) });
  else await desk.update('public.notice', known, { body: desk.token() });
};

const writeSetting: Act = async (desk) => {
  const id = `s${desk.chance.between(1, 2)}`;
  const known = (await desk.rows('public.setting')).find((row) => row.id === id);
  if (known) await desk.update('public.setting', known, { value: desk.token() });
  else await desk.insert('public.setting', { id, value: desk.token() });
};

const countMoney: Act = async (desk, campus) => {
  const picked = await pickRow(desk, 'public.purse', campus);
  const purse = picked && (await desk.locked('public.purse', picked));
  if (!purse) return;
  const values: Row = {};
  const [lowest, highest] = [desk.chance.below(1_000), 1_000 + desk.chance.below(1_000)];
  if (desk.chance.happens(0.7)) values.balance = String(Number(purse.balance) + desk.chance.between(1, 900));
  if (lowest < Number(purse.lowest)) values.lowest = String(lowest);
  if (highest > Number(purse.highest)) values.highest = String(highest);
  if (desk.chance.happens(0.3))
    values.labels = JSON.stringify([
      ...(JSON.parse(purse.labels ?? '[]') as string[]),
      `l${desk.chance.below(30)}`,
    ]);
  await desk.update('public.purse', purse, values);
};

/** A pupil goes to another campus: what hangs on the row goes with it. */
const movePupil: Act = async (desk, campus) => {
  const pupil = await pickRow(desk, 'public.pupil', campus);
  const klass = desk.chance.pick((await desk.rows('public.klass')).filter((row) => row.campus !== campus));
  if (!pupil || !klass) return;
  const to = klass.campus ?? '';
  await desk.update('public.pupil', pupil, { campus: to, klass_id: klass.id ?? null, updated_by: desk.site });
  for (const payment of await desk.rows('public.payment'))
    if (payment.pupil_id === pupil.id) await desk.update('public.payment', payment, { campus: to });
};

const commonActs: [weight: number, act: Act][] = [
  [10, editPupil],
  [3, addPupil],
  [3, removePupil],
  [2, changeKlass],
  [3, giveMatricule],
  [2, swapMatricules],
  [2, addKlass],
  [2, renameKlass],
  [1, removeKlass],
  [6, writeMark],
  [5, pay],
  [4, writeNotice],
  [4, countMoney],
];

/** A campus also does what it may not. */
const campusActs: [number, Act][] = [...commonActs, [0.4, writeSetting], [0.4, changePayment]];
const cloudActs: [number, Act][] = [...commonActs, [2, writeSetting], [2, movePupil]];

function pickWeighted(desk: Desk, acts: readonly [number, Act][]): Act {
  let left = desk.chance.fraction() * acts.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, act] of acts) {
    left -= weight;
    if (left < 0) return act;
  }
  return editPupil;
}

async function rowsOf(desk: Desk, table: string, campus: string): Promise<Row[]> {
  return (await desk.rows(table)).filter((row) => row.campus === campus);
}

async function pickRow(desk: Desk, table: string, campus: string): Promise<Row | undefined> {
  const rows = await rowsOf(desk, table, campus);
  return rows.length === 0 ? undefined : desk.chance.pick(rows);
}

function matricule(desk: Desk): string {
  return `M${desk.chance.below(5)}`;
}

function klassName(desk: Desk): string {
  return `${desk.chance.between(1, 4)}e`;
}

function title(desk: Desk): string {
  return `n${desk.chance.between(1, 5)}`;
}
