/** The little XML that S3 speaks: answers are written from nested values, requests are searched for a few elements. */
export type XmlValue = string | number | boolean | null | undefined | XmlObject | readonly XmlObject[];
export interface XmlObject {
  readonly [name: string]: XmlValue;
}

export function xml(root: string, content: XmlObject): string {
  const namespace = root === 'Error' ? '' : ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${namespace}>${elements(content)}</${root}>`;
}

function elements(content: XmlObject): string {
  return Object.entries(content)
    .flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((one) => element(name, one)))
    .join('');
}

function element(name: string, value: XmlValue): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'object') return `<${name}>${elements(value as XmlObject)}</${name}>`;
  return `<${name}>${escaped(String(value))}</${name}>`;
}

function escaped(text: string): string {
  return text.replace(/[<>&"'\r\n]/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** The contents of each element of this name, as they stand. */
export function findAll(document: string, name: string): string[] {
  const pattern = new RegExp(`<${name}(?:\\s[^>]*)?>([\\s\\S]*?)</${name}>`, 'g');
  return [...document.matchAll(pattern)].map((match) => match[1] as string);
}

/** The text of the first element of this name. */
export function find(document: string, name: string): string | undefined {
  const text = findAll(document, name)[0];
  return text === undefined ? undefined : unescaped(text).trim();
}

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

function unescaped(text: string): string {
  return text.replace(/&(#x?[0-9a-f]+|\w+);/gi, (whole, entity: string) => {
    if (!entity.startsWith('#')) return entities[entity] ?? whole;
    const isHex = entity[1] === 'x';
    return String.fromCodePoint(Number.parseInt(entity.slice(isHex ? 2 : 1), isHex ? 16 : 10));
  });
}
