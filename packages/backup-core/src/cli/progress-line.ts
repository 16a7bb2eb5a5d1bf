import type { Progress } from '../restore/progress.ts';
import type { Terminal } from './terminal.ts';
import { bytes, duration, phases, words } from './words.ts';

/** One line that is written over on a screen; one line for each phase in a log. */
export function progressLine(terminal: Terminal): (progress: Progress) => void {
  let last = '';
  return (progress) => {
    const { phase, done, total, unit, etaMs } = progress;
    const { language } = terminal;
    if (!terminal.live && phase === last) return;
    const show = (count: number) => (unit === 'bytes' ? bytes(count) : String(count));
    const eta = etaMs !== null && done < total ? `, ${duration(etaMs)} ${words[language].left}` : '';
    const share = total > 1 ? `  ${show(done)} / ${show(total)}${eta}` : '';
    const text = `${phases[language][phase]}${terminal.live ? share : ''}`;
    const fresh = phase !== last && last !== '' ? '\n' : '';
    terminal.complain(
      terminal.live ? `${fresh}\r\u001b[K${text}${phase === 'ready' ? '\n' : ''}` : `${text}\n`,
    );
    last = phase;
  };
}
