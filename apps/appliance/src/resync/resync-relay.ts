/** The relay as a resync asks it, with a meter on the line. */
import type {
  CorrectRequest,
  DigestAnswer,
  DigestQuestion,
  HistoryAnswer,
  HistoryQuestion,
  KeysQuestion,
  ListAnswer,
  ListQuestion,
  MarkAnswer,
  RowsAnswer,
  TablesAnswer,
} from '@skooly-edge/sync-protocol';
import type { LineMeter } from './line-meter.ts';

/** Each question may be asked again; `correct` then costs its corrections a second time. Who asks, retries. */
export interface ResyncRelay {
  tables(signal: AbortSignal): Promise<TablesAnswer>;
  digest(question: DigestQuestion, signal: AbortSignal): Promise<DigestAnswer>;
  list(question: ListQuestion, signal: AbortSignal): Promise<ListAnswer>;
  versions(question: KeysQuestion, signal: AbortSignal): Promise<ListAnswer>;
  /** For the first keys at least; the rest is to be asked for again. */
  rows(question: KeysQuestion, signal: AbortSignal): Promise<RowsAnswer>;
  history(question: HistoryQuestion, signal: AbortSignal): Promise<HistoryAnswer>;
  correct(request: CorrectRequest, signal: AbortSignal): Promise<{ corrected: number }>;
  mark(signal: AbortSignal): Promise<MarkAnswer>;
}

/** Sends a question to the relay. */
export type Post = <T>(
  path: string,
  body: object | null,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
) => Promise<T>;

export function meteredRelay(post: Post, meter: LineMeter): ResyncRelay {
  const ask = async <T>(name: string, body: object | null, signal: AbortSignal): Promise<T> => {
    const startedAt = performance.now();
    let bytes = 0;
    const answer = await post<T & { computeMs?: number }>(`/v1/resync/${name}`, body, signal, (count) => {
      bytes = count;
    });
    await meter.moved(bytes, performance.now() - startedAt - (answer.computeMs ?? 0), signal);
    return answer;
  };
  return {
    tables: (signal) => ask('tables', null, signal),
    digest: (question, signal) => ask('digest', question, signal),
    list: (question, signal) => ask('list', question, signal),
    versions: (question, signal) => ask('versions', question, signal),
    rows: (question, signal) => ask('rows', question, signal),
    history: (question, signal) => ask('history', question, signal),
    correct: (request, signal) => ask('correct', request, signal),
    mark: (signal) => ask('mark', null, signal),
  };
}
