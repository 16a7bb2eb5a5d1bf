/**
 * What a campus has pushed it has, and a row that belongs to it concerns nobody else: such rows are not even decoded. Rows that
 * every campus sees are, and those by which it is known whose the rows of another table are.
 */
import {
  type AuthorMessage,
  authorMessage,
  type Catalog,
  type LiveCatalog,
  type TransactionHead,
} from '@skooly-edge/sync-protocol';

const ancestors = new WeakMap<Catalog, ReadonlySet<string>>();

/** The tables of a commit whose changes are the author's own; null when that is not known of it. */
export function ownRows(
  { origin, messages }: TransactionHead,
  isApply: (origin: string) => boolean,
  { current }: LiveCatalog,
): ((table: string) => boolean) | null {
  if (origin === null || !isApply(origin)) return null;
  const message = messages.find(({ prefix }) => prefix === authorMessage);
  if (!message || !(JSON.parse(message.content) as AuthorMessage).own) return null;
  const needed = ancestorsOf(current);
  return (name) => {
    const table = current.tables.get(name);
    return table !== undefined && table.rule.scope !== null && !needed.has(name);
  };
}

/** Tables through which the rows of others belong to a campus. */
function ancestorsOf(catalog: Catalog): ReadonlySet<string> {
  const known = ancestors.get(catalog);
  if (known) return known;
  const found = new Set<string>();
  for (const table of catalog.tables.values())
    for (let at = table.through; at; at = at.parent.through) found.add(at.parent.name);
  ancestors.set(catalog, found);
  return found;
}
