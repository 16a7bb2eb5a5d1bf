/** Serves the page: a handful of files, read once, always revalidated so that a new version shows at once. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import Type from 'typebox';
import type { SkoolyServer } from './server-types.ts';

const files: Record<string, { path: string; type: string }> = {
  'index.html': { path: '/', type: 'text/html; charset=utf-8' },
  'skooly.css': { path: '/page/skooly.css', type: 'text/css; charset=utf-8' },
  'roll-call.css': { path: '/page/roll-call.css', type: 'text/css; charset=utf-8' },
  'skooly.js': { path: '/page/skooly.js', type: 'text/javascript; charset=utf-8' },
  'sending.js': { path: '/page/sending.js', type: 'text/javascript; charset=utf-8' },
  'words.js': { path: '/page/words.js', type: 'text/javascript; charset=utf-8' },
};

const contentSecurityPolicy =
  "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'";

export function servePage(server: SkoolyServer): void {
  for (const [name, { path, type }] of Object.entries(files)) {
    const content = readFileSync(new URL(`page/${name}`, import.meta.url), 'utf8');
    const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`;
    server.get(
      path,
      { schema: { response: { 200: Type.String(), 304: Type.Null() } } },
      async (request, reply) => {
        reply.headers({
          etag,
          'cache-control': 'no-cache',
          'content-security-policy': contentSecurityPolicy,
        });
        reply.header('x-content-type-options', 'nosniff');
        if (request.headers['if-none-match'] === etag) return reply.code(304).send(null);
        return reply.type(type).serializer(String).send(content);
      },
    );
  }
}
