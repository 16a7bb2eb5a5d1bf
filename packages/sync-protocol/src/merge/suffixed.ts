/** A text that another row has already, made one of its own by whose row it is: `3e A` → `3e A (mvan)`, `3e A (mvan 2)`. */
export function suffixed(value: string, campus: string, attempt: number): string {
  return attempt === 1 ? `${value} (${campus})` : `${value} (${campus} ${attempt})`;
}
