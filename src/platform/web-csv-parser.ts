import { parse } from 'csv-parse/browser/esm'

// In a browser this module stands in for csv-parser.ts.

/** Parser of text with delimiters, with bytes that the package brings along. */
export const csvParser = parse
