/**
 * Calls to the cloud that also serve as probes: one that fails, or that somebody got tired of waiting for, says that the link should be
 * looked at now. So a link at rest hears of a cut from the feed's long poll, within the time that one is waited for.
 */
export function wakeOnFailure<Args extends unknown[], Answer>(
  call: (...args: Args) => Promise<Answer>,
  wake: () => void,
): (...args: Args) => Promise<Answer> {
  return async (...args) => {
    try {
      return await call(...args);
    } catch (error) {
      wake();
      throw error;
    }
  };
}
