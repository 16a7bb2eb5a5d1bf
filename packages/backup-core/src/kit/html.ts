/** Text that is markup already; whatever else is put into `html` is escaped. */
export interface Html {
  readonly text: string;
}

export function html(parts: TemplateStringsArray, ...values: (string | Html | readonly Html[])[]): Html {
  const text = parts.reduce((sum, part, index) => {
    const value = values[index - 1] as (typeof values)[number];
    return sum + markup(value) + part;
  });
  return { text };
}

export function list(items: readonly string[]): Html {
  return html`<ol>${items.map((item) => html`<li>${item}</li>`)}</ol>`;
}

export function table(columns: readonly string[], rows: readonly (readonly string[])[]): Html {
  const head = columns.length === 0 ? [] : [row('th', columns)];
  return html`<table>${[...head, ...rows.map((cells) => row('td', cells))]}</table>`;
}

function row(kind: 'th' | 'td', cells: readonly string[]): Html {
  const marked = cells.map((cell) => (kind === 'th' ? html`<th>${cell}</th>` : html`<td>${cell}</td>`));
  return html`<tr>${marked}</tr>`;
}

function markup(value: string | Html | readonly Html[]): string {
  if (typeof value === 'string') return escaped(value);
  return 'text' in value ? value.text : value.map(({ text }) => text).join('');
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
