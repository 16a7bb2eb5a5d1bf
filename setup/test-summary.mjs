/**
 * Prints the outcome of a test run from vitest's JSON report as `N passed, N failed` (`, N skipped` when there are any).
 *
 *   node setup/test-summary.mjs REPORT EXIT_CODE
 *
 * A file that could not be loaded counts as one failure, and so does a run that failed without a failing test.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export function summary(report, exitCode) {
  if (report === null) return '0 passed, 1 failed';
  const brokenFiles = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length;
  const failed = report.numFailedTests + brokenFiles;
  const skipped = report.numPendingTests + (report.numTodoTests ?? 0);
  const counted = exitCode !== 0 && failed === 0 ? 1 : failed;
  return `${report.numPassedTests} passed, ${counted} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [file, exitCode] = process.argv.slice(2);
  console.log(summary(readReport(file), Number(exitCode)));
}
