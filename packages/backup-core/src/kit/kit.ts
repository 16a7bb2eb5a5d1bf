/**
 * The printed emergency kit: one self-contained HTML page, French then English, A4, without scripts, pictures from elsewhere
 * or secrets. It is to be read by a stranger on the worst day, so it repeats what is needed and nothing more: whom to call,
 * where the backups are, which key opens them, and every command word for word.
 */
import { renderSVG } from 'uqr';
import { fingerprintOf } from '../keys/fingerprint.ts';
import { publicKeyPem } from '../keys/manifest-key.ts';
import { restoreCommands } from './commands.ts';
import { type Html, html, list, table } from './html.ts';
import { style } from './style.ts';
import { kitWords, type Language } from './words.ts';

export interface KitInput {
  site: string;
  database: string;
  /** Major version of the server, such as `15`. */
  postgres: string;
  regions: readonly { name: string; provider: string; endpoint: string; bucket: string }[];
  keys: readonly {
    role: 'administrator' | 'recovery' | 'earlier';
    fingerprint: string;
    userId: string;
    expires: Date | null;
    /** In words: which safe, which machine. */
    where: string;
  }[];
  /** Raw Ed25519 public key in base64url. */
  manifestKey: string;
  people: readonly { name: string; role: string; phone: string }[];
  madeAt: Date;
}

const languages: readonly Language[] = ['fr', 'en'];

export function emergencyKit(input: KitInput): string {
  const pages = languages.map((language) => page(input, language));
  return html`<!doctype html>
<html lang="fr">
<head>
<meta charset="utf-8">
<title>${kitWords.fr.title(input.site)}</title>
<style>${style}</style>
</head>
<body>
${pages}
</body>
</html>
`.text;
}

function page(input: KitInput, language: Language): Html {
  const words = kitWords[language];
  const { site, regions, people } = input;
  const rows = {
    people: people.map(({ name, role, phone }) => [name, role, phone]),
    regions: regions.map(({ name, provider, endpoint, bucket }) => [
      name,
      provider,
      endpoint,
      `${bucket}/${site}/`,
    ]),
    keys: input.keys.map(({ role, fingerprint, userId, expires, where }) => [
      `${words.roles[role]}: ${userId}`,
      inFours(fingerprint),
      expires?.toISOString().slice(0, 10) ?? words.never,
      where,
    ]),
  };
  return html`<article lang="${language}">
<header>
<div><h1>${words.title(site)}</h1><p>${words.made(input.madeAt.toISOString().slice(0, 10))}</p></div>
<figure>${qrCode(input)}<figcaption>${words.qr}</figcaption></figure>
</header>
<p>${words.what}</p>
<p class="important">${words.noSecret}</p>
${list(words.calm)}
<h2>${words.people}</h2>
${table([], rows.people)}
<h2>${words.regions}</h2>
${table(words.regionColumns, rows.regions)}
<p>${words.credentials}</p>
<h2>${words.keys}</h2>
${table(words.keyColumns, rows.keys)}
<p>${words.anyKey} ${words.manifestKey(fingerprintOf(Buffer.from(input.manifestKey, 'base64url')))}</p>
${steps(input, language)}
${list(words.after)}
<p class="important">${words.replace}</p>
</article>`;
}

function steps(input: KitInput, language: Language): Html {
  const words = kitWords[language];
  const { site, database, manifestKey } = input;
  const each = input.regions.map(({ name, endpoint, bucket }) => ({
    name,
    commands: restoreCommands({ site, database, endpoint, bucket, manifestKey: publicKeyPem(manifestKey) }),
  }));
  const [first] = each;
  if (first === undefined) throw new RangeError('a kit needs a region');
  const copies = each.map(({ name, commands }) => html`<h3>${name}</h3><pre>${commands.copy}</pre>`);
  return html`<section>
<p>${words.need(input.postgres)}</p>
<h2>${words.copy}</h2>
${copies}
<h2>${words.verify}</h2>
<pre>${first.commands.verify}</pre>
<p>${words.verified}</p>
<h2>${words.dump}</h2>
<pre>${first.commands.dump}</pre>
<h2>${words.pointInTime}</h2>
<p>${words.pointInTimeNote}</p>
<pre>${first.commands.pointInTime}</pre>
</section>`;
}

/** The facts that are hard to type. */
function qrCode({ site, regions, keys, manifestKey }: KitInput): Html {
  const lines = [
    `skooly-edge ${site}`,
    ...regions.map(({ endpoint, bucket }) => `${endpoint} ${bucket}`),
    ...keys.map(({ fingerprint }) => fingerprint),
    publicKeyPem(manifestKey).trim(),
  ];
  return { text: renderSVG(lines.join('\n'), { ecc: 'M', border: 2 }) };
}

function inFours(fingerprint: string): string {
  return fingerprint.replace(/(.{4})(?=.)/g, '$1 ');
}
