/** Something that a person has to put right: one sentence, no stack. */
export class SetupError extends Error {}

/** To stderr, so that the output of the script (such as --json) stays clean. */
export function say(text) {
  process.stderr.write(`${text}\n`);
}
