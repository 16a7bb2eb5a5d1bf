import Fastify from 'fastify';
import { expect, test } from 'vitest';
import { servePage } from './page-server.ts';
import type { TypeBoxProvider } from './server-types.ts';

test('the page comes whole, says what may run in it, and is not sent again while it is the same', async () => {
  const server = Fastify().withTypeProvider<TypeBoxProvider>();
  servePage(server);
  const page = await server.inject('/');
  expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
  expect(page.headers['content-security-policy']).toContain("default-src 'self'");
  for (const [, path] of page.body.matchAll(/(?:src|href)="(\/page[^"]+)"/g)) {
    expect((await server.inject(String(path))).statusCode).toBe(200);
  }
  const script = await server.inject('/page/skooly.js');
  for (const [, name] of script.body.matchAll(/from '\.\/([^']+)'/g)) {
    expect((await server.inject(`/page/${name}`)).statusCode).toBe(200);
  }
  const again = await server.inject({ url: '/', headers: { 'if-none-match': String(page.headers.etag) } });
  expect([again.statusCode, again.body]).toEqual([304, '']);
});
