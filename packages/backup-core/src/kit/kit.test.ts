import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { emergencyKit, type KitInput } from './kit.ts';
import { kitWords } from './words.ts';

const input: KitInput = {
  site: 'mvan',
  database: 'skooly',
  postgres: '15',
  regions: [
    { name: 'Paris', provider: 'Scaleway', endpoint: 'https://s3.fr-par.scw.cloud', bucket: 'skooly-paris' },
    {
      name: 'Douala',
      provider: 'ST Digital',
      endpoint: 'https://s3.douala.example',
      bucket: 'skooly-douala',
    },
  ],
  keys: [
    {
      role: 'administrator',
      fingerprint: '0123456789ABCDEF0123456789ABCDEF01234567',
      userId: 'Admin <admin@example.org>',
      expires: new Date('2028-11-01T00:00:00Z'),
      where: 'Coffre de la direction',
    },
    {
      role: 'recovery',
      fingerprint: '89ABCDEF0123456789ABCDEF0123456789ABCDEF',
      userId: 'Recovery',
      expires: null,
      where: 'Drill machine',
    },
  ],
  manifestKey: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
  people: [{ name: 'Mme Ngo Bassé', role: 'Administratrice', phone: '+237 6 99 00 00 01' }],
  madeAt: new Date('2026-11-23T08:00:00Z'),
};
const kit = emergencyKit(input);
const commands = unescaped(kit);

describe('the emergency kit', () => {
  it.each(['fr', 'en'] as const)('stands alone in %s: people, regions, keys', (language) => {
    const article = kit.split('<article').find((part) => part.startsWith(` lang="${language}"`)) as string;
    for (const fact of [
      'Mme Ngo Bassé',
      '+237 6 99 00 00 01',
      'https://s3.fr-par.scw.cloud',
      'skooly-douala/mvan/',
      '0123 4567 89AB CDEF 0123 4567 89AB CDEF 0123 4567',
      '2028-11-01',
      kitWords[language].never,
      kitWords[language].pointInTime,
      '-----BEGIN PUBLIC KEY-----',
    ])
      expect(article).toContain(fact);
  });

  it('has every command of FORMAT.md, word for word', () => {
    const format = readFileSync(new URL('../../FORMAT.md', import.meta.url), 'utf8');
    const byHand = format.slice(format.indexOf('## Restoring by hand'));
    const lines = [...byHand.matchAll(/```sh\n([\s\S]*?)```/g)]
      .flatMap(([, block = '']) => block.split('\n'))
      .filter((line) => line.trim() !== '' && !line.startsWith('#'));
    expect(lines.length).toBeGreaterThan(20);
    for (const line of lines) expect(commands).toContain(line);
  });

  it('needs nothing from elsewhere, and runs nothing', () => {
    expect(kit).not.toMatch(/<script|<link|<img|<iframe|url\(|src=/);
    expect(Buffer.byteLength(kit)).toBeLessThan(200_000);
  });

  it('shows what is in a name as text', () => {
    const people = [{ name: '<script>alert(1)</script>', role: '"', phone: '&' }];
    expect(emergencyKit({ ...input, people })).not.toContain('<script>');
  });

  it('says the same in both languages', () => {
    expect(Object.keys(kitWords.fr)).toEqual(Object.keys(kitWords.en));
    expect(kitWords.fr.calm.length).toBe(kitWords.en.calm.length);
    expect(kitWords.fr.after.length).toBe(kitWords.en.after.length);
  });
});

function unescaped(text: string): string {
  return text
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}
