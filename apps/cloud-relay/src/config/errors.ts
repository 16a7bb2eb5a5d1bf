/** The configuration cannot be used. The message is one sentence that names the field and the fix. */
export class ConfigError extends Error {
  readonly code = 'CONFIG_INVALID';
  readonly advice: string;

  constructor(field: string, problem: string, fix: string, options?: ErrorOptions) {
    super(`${field} ${problem}: ${fix}.`, options);
    this.name = 'ConfigError';
    this.advice = fix;
  }
}
