/** @returns false when the person pressed Ctrl-C meanwhile. */
export function pauseUntilInterrupt(ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const stop = () => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      process.off('SIGINT', stop);
      resolve(true);
    }, ms);
    process.once('SIGINT', stop);
  });
}
