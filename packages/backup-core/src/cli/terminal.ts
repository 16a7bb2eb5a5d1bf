export interface Terminal {
  write(text: string): void;
  /** Errors and progress. */
  complain(text: string): void;
  /** Whether progress may overwrite its line. */
  readonly live: boolean;
  readonly language: Language;
  /** Asks without showing what is typed; null: nobody is there to ask. */
  askHidden(question: string): Promise<string | null>;
}

export type Language = 'en' | 'fr';

export function languageOf(env: Readonly<Record<string, string | undefined>>): Language {
  return /^fr/i.test(env.LC_ALL || env.LC_MESSAGES || env.LANG || '') ? 'fr' : 'en';
}

export function systemTerminal(env: Readonly<Record<string, string | undefined>>): Terminal {
  const { stdout, stderr } = process;
  return {
    write: (text) => void stdout.write(text),
    complain: (text) => void stderr.write(text),
    live: stderr.isTTY === true,
    language: languageOf(env),
    askHidden,
  };
}

const enter = new Set(['\r', '\n', '\u0004']);
const erase = new Set(['\u007f', '\b']);

async function askHidden(question: string): Promise<string | null> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY) return null;
  stderr.write(question);
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  let typed = '';
  try {
    for await (const chunk of stdin.iterator({ destroyOnReturn: false }) as AsyncIterable<string>) {
      for (const character of chunk) {
        if (character === '\u0003') return null;
        if (enter.has(character)) return typed;
        typed = erase.has(character) ? typed.slice(0, -1) : typed + character;
      }
    }
    return typed;
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write('\n');
  }
}
