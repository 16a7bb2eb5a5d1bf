/** An answer of the gateway itself: a page for a person, JSON for a program. Never a stack trace. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LinkState } from '../link/states.ts';
import { type AnswerCode, answers, type Language, languageOf } from './words.ts';

export function answerSelf(
  { request, response, state }: { request: IncomingMessage; response: ServerResponse; state: LinkState },
  code: AnswerCode,
): void {
  const language = languageOf(request.headers['accept-language']);
  const { status, [language]: words } = answers[code];
  const wantsPage = (request.headers.accept ?? '').includes('text/html');
  const { message, advice } = words;
  const body = wantsPage ? page(language, words) : JSON.stringify({ code, message, advice });
  response.writeHead(status, {
    'content-type': wantsPage ? 'text/html; charset=utf-8' : 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'content-language': language,
    'cache-control': 'no-store',
    vary: 'accept, accept-language',
    'x-skooly-edge-site': 'box',
    'x-skooly-edge-state': state,
    // What is left of a body that nobody will read is not waited for.
    ...(!request.complete && { connection: 'close' }),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function page(
  language: Language,
  { title, message, advice }: Record<'title' | 'message' | 'advice', string>,
) {
  return `<!doctype html>
<html lang="${language}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>
body { font: 18px/1.5 system-ui, sans-serif; margin: 0; display: grid; min-height: 100vh; place-items: center;
  background: #f3f4f6; color: #1f2937 }
main { max-width: 28rem; margin: 1rem; padding: 1.5rem 2rem; background: #fff; border-top: 6px solid #6b7280;
  border-radius: 8px }
h1 { font-size: 1.4rem; margin: 0 0 .5rem }
p { margin: .5rem 0 }
</style>
<main><h1>${title}</h1><p>${message}</p><p>${advice}</p></main>
</html>
`;
}
