// node .ci/summary.js <JSON report of vitest> <checks that failed> <exit status of the installation or the tests>
// Prints the line that .ci/run ends with, and exits with 1 unless everything passed.
import { readFileSync } from 'node:fs'

const [path, failedChecks, status] = process.argv.slice(2)
const { passed, failed, skipped } = readReport(path)
// No test failed, yet the installation or the test run did: a failed build, or an error outside all tests.
const unexplained = Number(status) !== 0 && failed === 0 ? 1 : 0
const failures = failed + Number(failedChecks) + unexplained
console.log(`${passed} passed, ${failures} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failures > 0 ? 1 : 0

/** Counts of tests; a file that broke before its first test is one failure. An empty report means that no test ran. */
function readReport(path) {
  const text = readFileSync(path, 'utf8')
  if (text === '') return { passed: 0, failed: 0, skipped: 0 }
  const report = JSON.parse(text)
  const brokenFiles = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.every((result) => result.status !== 'failed'),
  )
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + brokenFiles.length,
    skipped: report.numPendingTests + report.numTodoTests,
  }
}
