/** The page: login, classes, roll call. It holds no truth of its own except what waits in the outbox. */
import { dismiss, flush, link, NoAnswer, onChange, outbox, post, Refused, read, submit } from './sending.js';
import { currentLanguage, preferLanguage, say, switchLanguage } from './words.js';

const heartbeatMs = 10_000;
const toastMs = 4_000;
const localStates = new Set(['LOCAL', 'RECOVERING', 'CATCHING_UP']);
const statuses = ['present', 'absent', 'late', 'excused'];

const at = (id) => document.getElementById(id);
const state = { user: null, classes: null, open: null };

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false && value !== null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== false));
  return node;
}

/** The day at this device, as the school writes it. */
function today() {
  const now = new Date();
  const pad = (number) => String(number).padStart(2, '0');
  return `${now.getFullYear()}-${pad(now.getMonth() + 1)}-${pad(now.getDate())}`;
}

const longDay = () =>
  new Date().toLocaleDateString(say('locale'), {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    year: 'numeric',
  });

function draw() {
  drawFrame();
  const screen = !state.user ? loginScreen() : state.open ? rollCallScreen() : classesScreen();
  at('main').replaceChildren(screen);
}

function drawFrame() {
  at('title').textContent = state.open?.class.name ?? 'Skooly';
  at('subtitle').textContent = state.open
    ? say('pupils', state.open.pupils?.length ?? 0)
    : (state.user?.name ?? '');
  at('language').textContent = currentLanguage() === 'fr' ? 'EN' : 'FR';
  at('language').setAttribute('aria-label', say('other'));
  at('logout').hidden = !state.user || Boolean(state.open);
  at('logout').textContent = say('logout');
  at('back').hidden = !state.open;
  at('back').setAttribute('aria-label', say('back'));
  drawLink();
}

function drawLink() {
  const onCampus = link.site !== null && link.site !== 'cloud';
  at('local').hidden = !(localStates.has(link.state) || (link.state === null && onCampus));
  at('local').textContent = say('local');
  const served =
    link.site === null ? say('servedNone') : onCampus ? say('servedCampus', link.site) : say('servedCloud');
  at('served').textContent = served;
  at('served-dot').className = `dot ${link.site === null ? 'none' : onCampus ? 'campus' : 'cloud'}`;
  const waiting = outbox().filter((item) => !item.refused).length;
  at('waiting').hidden = !link.unsure && waiting === 0;
  at('waiting').textContent = link.unsure ? say('checking') : say('waiting', waiting);
}

function loginScreen() {
  const login = el('input', {
    name: 'login',
    autocomplete: 'username',
    autocapitalize: 'none',
    required: true,
  });
  const password = el('input', {
    name: 'password',
    type: 'password',
    autocomplete: 'current-password',
    required: true,
  });
  const button = el('button', { class: 'primary' }, say('enter'));
  const enter = async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const answer = await submit('POST', '/api/login', {
        login: login.value.trim(),
        password: password.value,
      });
      await entered(answer.user);
    } catch (error) {
      failed(error);
      button.disabled = false;
    }
  };
  return el(
    'form',
    { class: 'card login', onsubmit: enter },
    el('h2', {}, say('login')),
    el('label', {}, say('loginName'), login),
    el('label', {}, say('password'), password),
    button,
  );
}

async function entered(user) {
  at('toast').hidden = true;
  state.user = user;
  preferLanguage(user.language);
  draw();
  sendWaiting();
  await openClasses();
}

async function openClasses() {
  state.open = null;
  draw();
  try {
    state.classes = await read(`/api/classes?date=${today()}`);
    if (!state.open) draw();
  } catch (error) {
    failed(error);
  }
}

function classesScreen() {
  if (!state.classes) return el('p', { class: 'loading' }, say('loading'));
  const parts = ['francophone', 'anglophone'].flatMap((subSystem) => {
    const classes = state.classes.filter((one) => one.subSystem === subSystem);
    return classes.length === 0
      ? []
      : [el('h3', {}, say(subSystem)), el('ul', { class: 'classes' }, ...classes.map(classRow))];
  });
  const heading = el('div', { class: 'heading' }, el('h2', {}, say('today')), el('p', {}, longDay()));
  return el(
    'section',
    {},
    ...refusedCards(),
    heading,
    ...(parts.length > 0 ? parts : [el('p', {}, say('empty'))]),
  );
}

function classRow(one) {
  const underway = outbox().filter((item) => !item.refused && item.path.includes(one.id));
  const progressOf = (number) => {
    if (underway.some((item) => item.path === rollCallPath({ class: one, period: number })))
      return 'underway';
    return one.called.includes(number) ? 'called' : '';
  };
  const dots = [1, 2, 3, 4, 5, 6, 7].map((number) =>
    el('i', { class: progressOf(number), title: say('period', number) }),
  );
  const name = el(
    'span',
    { class: 'name' },
    el('b', {}, one.name),
    el('small', {}, say('pupils', one.pupils)),
  );
  const progress = el('span', { class: 'progress', 'aria-label': `${one.called.length}/7` }, ...dots);
  return el('li', {}, el('button', { type: 'button', onclick: () => openClass(one) }, name, progress));
}

function refusedCards() {
  const refused = outbox().filter((item) => item.refused && item.login === state.user.login);
  return refused.map((item) =>
    el(
      'div',
      { class: 'card refused' },
      el('p', {}, el('b', {}, `${say('refused')} : ${item.label}`), ` ${item.refused}`),
      el('button', { type: 'button', onclick: () => [dismiss(item.key), draw()] }, say('dismiss')),
    ),
  );
}

async function openClass(one) {
  const next = Array.from({ length: 7 }, (_, index) => index + 1).find(
    (number) => !one.called.includes(number),
  );
  state.open = { class: one, pupils: null, period: next ?? 7, marks: null, taken: null };
  draw();
  try {
    const pupils = await read(`/api/classes/${one.id}/pupils`);
    if (state.open?.class !== one) return;
    state.open.pupils = pupils;
    await openPeriod(state.open.period);
  } catch (error) {
    failed(error);
  }
}

const rollCallPath = ({ class: one, period }) => `/api/classes/${one.id}/roll-calls/${today()}/${period}`;

async function openPeriod(period) {
  const open = Object.assign(state.open, { period, marks: null, taken: null });
  draw();
  try {
    const path = rollCallPath(open);
    const rollCall = await read(path);
    if (state.open !== open || open.period !== period) return;
    const waiting = outbox().find((item) => item.path === path && !item.refused);
    const exceptions = waiting?.body.exceptions ?? rollCall.exceptions;
    open.shown = new Set(rollCall.exceptions.map(({ pupilId }) => pupilId));
    open.marks = new Map();
    for (const { pupilId, status } of exceptions) if (status !== 'present') open.marks.set(pupilId, status);
    open.taken = rollCall.takenBy;
    draw();
  } catch (error) {
    failed(error);
  }
}

function rollCallScreen() {
  const { class: one, period, pupils, marks } = state.open;
  const chips = Array.from({ length: 7 }, (_, index) => index + 1).map((number) =>
    el(
      'button',
      {
        type: 'button',
        class: `chip ${one.called.includes(number) ? 'called' : ''}`,
        'aria-pressed': String(number === period),
        'aria-label': say('period', number),
        onclick: () => openPeriod(number),
      },
      String(number),
    ),
  );
  const periods = el('div', { class: 'periods' }, el('span', {}, say('period', '').trim()), ...chips);
  if (!pupils || !marks) return el('section', {}, periods, el('p', { class: 'loading' }, say('loading')));
  const rows = pupils.map((pupil) => pupilRow(pupil));
  return el('section', { class: 'roll' }, periods, el('ul', { class: 'pupils' }, ...rows), saveBar());
}

function pupilRow(pupil) {
  const { marks } = state.open;
  const current = marks.get(pupil.id) ?? 'present';
  const offered = statuses.filter(
    (one) => one !== 'excused' || current === 'excused' || state.user.role !== 'teacher',
  );
  const choose = (status) => {
    if (status === 'present') marks.delete(pupil.id);
    else marks.set(pupil.id, status);
    row.replaceWith(pupilRow(pupil));
    document.querySelector('.save').replaceWith(saveBar());
  };
  const buttons = offered.map((status) =>
    el(
      'button',
      {
        type: 'button',
        class: status,
        'aria-pressed': String(status === current),
        'aria-label': `${pupil.familyName} ${pupil.givenNames}: ${say(status)}`,
        title: say(status),
        onclick: () => choose(status),
      },
      say(`short${status[0].toUpperCase()}${status.slice(1)}`),
    ),
  );
  const name = el(
    'span',
    { class: 'name' },
    el('b', {}, pupil.familyName),
    el('small', {}, pupil.givenNames),
  );
  const row = el('li', { class: current }, name, el('span', { class: 'choice' }, ...buttons));
  return row;
}

function saveBar() {
  const { pupils, marks, taken } = state.open;
  const counts = Object.fromEntries(statuses.map((status) => [status, 0]));
  for (const { id } of pupils) counts[marks.get(id) ?? 'present'] += 1;
  const may = state.user.may.includes('take-roll-call');
  return el(
    'div',
    { class: 'save' },
    el('p', {}, say('counts', counts), taken ? el('small', {}, say('takenBy', taken)) : null),
    el(
      'button',
      { type: 'button', class: 'primary', disabled: !may, onclick: save },
      say(taken ? 'saveAgain' : 'save'),
    ),
  );
}

function save() {
  const { class: one, period, marks, shown } = state.open;
  const takenBack = [...shown]
    .filter((pupilId) => !marks.has(pupilId))
    .map((pupilId) => [pupilId, 'present']);
  const exceptions = [...marks, ...takenBack].map(([pupilId, status]) => ({ pupilId, status }));
  post({
    method: 'PUT',
    path: rollCallPath(state.open),
    body: { takenAt: new Date().toISOString(), exceptions },
    login: state.user.login,
    label: `${one.name}, ${say('period', period)}`,
  });
  openClasses();
  sendWaiting();
}

async function sendWaiting() {
  if (outbox().length === 0) return;
  try {
    await flush(
      () => state.user?.login,
      (item) => toast(`${say('saved')} : ${item.label}`),
    );
  } catch (error) {
    failed(error);
  }
  if (state.user && !state.open) await openClasses();
}

function failed(error) {
  if (error instanceof Refused && error.status === 401 && state.user) {
    Object.assign(state, { user: null, classes: null, open: null });
    draw();
  }
  if (!(error instanceof Refused || error instanceof NoAnswer)) throw error;
  toast(error instanceof NoAnswer ? say('noAnswer') : error.message);
}

let toastTimer;
function toast(text) {
  clearTimeout(toastTimer);
  at('toast').textContent = text;
  at('toast').hidden = false;
  toastTimer = setTimeout(() => {
    at('toast').hidden = true;
  }, toastMs);
}

/** Keeps the banner true in a tab that nobody touches, and sends what waits as soon as somebody answers. */
async function heartbeat() {
  try {
    await read(state.user ? '/api/me' : '/healthz');
    if (state.user && outbox().some((item) => !item.refused)) sendWaiting();
  } catch (error) {
    if (error instanceof Refused && state.user) failed(error);
  } finally {
    setTimeout(heartbeat, heartbeatMs);
  }
}

async function start() {
  at('back').addEventListener('click', openClasses);
  at('language').addEventListener('click', () => {
    switchLanguage();
    draw();
  });
  at('logout').addEventListener('click', async () => {
    await submit('POST', '/api/logout', {}).catch(() => {});
    Object.assign(state, { user: null, classes: null, open: null });
    draw();
  });
  onChange(drawLink);
  draw();
  try {
    await entered(await read('/api/me'));
  } catch (error) {
    if (!(error instanceof Refused)) failed(error);
  }
  setTimeout(heartbeat, heartbeatMs);
}

start();
