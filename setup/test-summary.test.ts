import { describe, expect, test } from 'vitest';
// @ts-expect-error plain JavaScript, since it runs on any Node
import { summary } from './test-summary.mjs';

const good = { numPassedTests: 3, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [] };

describe('the last line of a test run', () => {
  test('counts what passed and failed', () => {
    expect(summary(good, 0)).toBe('3 passed, 0 failed');
    expect(summary({ ...good, numFailedTests: 2 }, 1)).toBe('3 passed, 2 failed');
  });

  test('names skipped tests only when there are any', () => {
    expect(summary({ ...good, numPendingTests: 1 }, 0)).toBe('3 passed, 0 failed, 1 skipped');
  });

  test('counts a file that could not be loaded as a failure', () => {
    const testResults = [{ status: 'failed', assertionResults: [] }];
    expect(summary({ ...good, testResults }, 1)).toBe('3 passed, 1 failed');
  });

  test('never calls a failed run good', () => {
    expect(summary(good, 1)).toBe('3 passed, 1 failed');
    expect(summary(null, 137)).toBe('0 passed, 1 failed');
  });
});
