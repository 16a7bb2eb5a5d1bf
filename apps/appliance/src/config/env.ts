/** What the appliance may be told by its environment: the only place that touches `process.env`. Nothing is judged here. */
export type EdgeEnv = Readonly<Record<string, string | undefined>>;

export function readEnv(): EdgeEnv {
  return process.env;
}
