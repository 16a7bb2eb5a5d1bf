/** The configuration cannot be used. The message is one sentence that names the field and the fix. */
export class ConfigError extends Error {
  readonly code = 'CONFIG_INVALID';
  readonly exitCode = 2;
  readonly field: string;
  readonly problem: string;
  readonly fix: string;
  readonly advice: string;

  constructor(field: string, problem: string, fix: string, options?: ErrorOptions) {
    super(`${field} ${problem}: ${fix}.`, options);
    this.name = 'ConfigError';
    this.field = field;
    this.problem = problem;
    this.fix = fix;
    this.advice = `${fix.charAt(0).toUpperCase()}${fix.slice(1)}.`;
  }
}
