/**
 * Three-way union of sets, as Postgres prints them: one-dimensional arrays and JSON arrays. What either side added is in it, what
 * either side removed is not. The cloud's elements come first, in its order, then what the campus added, in its order.
 */

/** A set as text, with its elements as text: equal elements have equal text. */
interface SetText {
  elements: string[];
  format(elements: readonly string[]): string;
}

/** @returns null when one of the three is no one-dimensional array. */
export function unite(before: string | null, campus: string, cloud: string): string | null {
  const [base, ours, theirs] = [before === null ? null : parse(before), parse(campus), parse(cloud)];
  if (!ours || !theirs || (before !== null && !base)) return null;
  const had = new Set(base?.elements);
  const has = new Set(ours.elements);
  const kept = theirs.elements.filter((element) => has.has(element) || !had.has(element));
  const added = ours.elements.filter((element) => !had.has(element));
  return theirs.format([...new Set([...kept, ...added])]);
}

function parse(text: string): SetText | null {
  return text.startsWith('[') ? parseJson(text) : parseArray(text);
}

function parseJson(text: string): SetText | null {
  try {
    const elements = JSON.parse(text) as unknown;
    if (!Array.isArray(elements)) return null;
    return {
      elements: elements.map((element) => JSON.stringify(element)),
      format: (all) => `[${all.join(', ')}]`,
    };
  } catch {
    return null;
  }
}

/** Source: PostgreSQL manual, "Array Input and Output Syntax". Elements are compared as they are printed. */
function parseArray(text: string): SetText | null {
  if (!/^\{.*\}$/s.test(text)) return null;
  const elements: string[] = [];
  const inner = text.slice(1, -1);
  const element = /("(?:[^"\\]|\\.)*"|[^",{}\\]+)(,|$)/gsy;
  while (element.lastIndex < inner.length) {
    const match = element.exec(inner);
    if (!match) return null;
    elements.push(match[1] as string);
    if (match[2] === ',' && element.lastIndex === inner.length) return null;
  }
  return { elements, format: (all) => `{${all.join(',')}}` };
}
