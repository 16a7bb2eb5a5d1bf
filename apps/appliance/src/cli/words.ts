/** Numbers and moments as a person reads them. */
const units = ['B', 'kB', 'MB', 'GB', 'TB'];

export function bytes(count: number): string {
  const power = Math.min(count < 1 ? 0 : Math.floor(Math.log10(count) / 3), units.length - 1);
  const value = count / 1000 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const steps = [
    [86_400, 'd', 3_600, 'h'],
    [3_600, 'h', 60, 'min'],
    [60, 'min', 1, 's'],
  ] as const;
  for (const [size, name, smaller, smallerName] of steps) {
    if (whole < size) continue;
    const rest = Math.floor((whole % size) / smaller);
    return `${Math.floor(whole / size)} ${name}${rest > 0 ? ` ${rest} ${smallerName}` : ''}`;
  }
  return `${whole} s`;
}

export function ago(iso: string | null, nowMs: number): string {
  return iso === null ? 'never' : `${duration((nowMs - Date.parse(iso)) / 1_000)} ago`;
}

export function count(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString('en-GB')} ${number === 1 ? one : many}`;
}

/** The time of day, with the date when it is another day. */
export function moment(iso: string, nowMs: number): string {
  const at = new Date(iso);
  const time = at.toLocaleTimeString('en-GB');
  const day = at.toLocaleDateString('en-GB');
  return day === new Date(nowMs).toLocaleDateString('en-GB') ? time : `${day} ${time}`;
}
