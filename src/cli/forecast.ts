import { type Command, InvalidArgumentError, Option } from 'commander'
import { type Covariates, covariates, methodOption, pageFile, pictureFile } from './forecast-flags.ts'
import { seed, wholeNumber } from './numbers.ts'

/** How a table is read. */
export interface SeriesFlags {
  readonly time?: string
  readonly id?: string
  readonly target?: readonly string[]
  readonly frequency?: string
  readonly zone?: string
  readonly stampFormat?: string
  readonly fill?: 'forward' | 'linear' | 'zero'
  readonly delimiter?: string
  readonly covariates?: Covariates
}

export interface ForecastFlags extends SeriesFlags {
  readonly horizon: number
  readonly model: string
  /** The method's own. */
  readonly option?: Readonly<Record<string, unknown>>
  readonly seed?: number
  readonly season?: number
  readonly level: readonly number[]
  readonly windows: number
  readonly json?: boolean
  readonly out?: string
  readonly save?: string
  readonly from?: string
  readonly plot?: string
  readonly report?: string
}

export interface BacktestFlags extends Omit<ForecastFlags, 'out' | 'save' | 'from'> {
  readonly step?: number
  readonly by: 'all' | 'series' | 'step' | 'window'
}

export function registerForecast(program: Command): void {
  const command = program
    .command('forecast')
    .summary('say what comes next in series of numbers')
    .description(
      'Forecasts series from a table (CSV, TSV, JSON, JSON lines, Parquet), long or wide, with intervals. By default by the method that did best on the last windows, beside which the others are printed; networks are trained where they are named.',
    )
    .argument('<table>', 'a file with a column of dates and one or several of numbers')
  addCommon(command)
    .option('--out <file>', 'also write the forecast to a CSV file')
    .option('--save <file>', 'also keep what was fitted, as JSON')
    .option('--from <file>', 'forecast by what --save kept, without fitting or comparing anything')
    .addHelpText('after', forecastExamples)
    .action(async (path: string, flags: ForecastFlags) => {
      const { forecastAction } = await import('./actions/forecast.ts')
      await forecastAction(path, flags)
    })
}

export function registerBacktest(program: Command): void {
  const command = program
    .command('backtest')
    .summary('say how well methods would have forecast a series')
    .description(
      'Forecasts from moments of the past, each knowing only what came before, and compares with what came: all methods that learn nothing in steps, or the one that is named, with those beside it where it does.',
    )
    .argument('<table>', 'a file with a column of dates and one or several of numbers')
  addCommon(command)
    .option('--step <count>', 'values between the beginnings of windows (default: the horizon)', wholeNumber(1))
    .addOption(
      new Option('--by <rows>', 'what rows of the table stand for').choices(['all', 'series', 'step', 'window']).default('all'),
    )
    .addHelpText('after', backtestExamples)
    .action(async (path: string, flags: BacktestFlags) => {
      const { backtestAction } = await import('./actions/backtest.ts')
      await backtestAction(path, flags)
    })
}

function addCommon(command: Command): Command {
  return command
    .requiredOption('--horizon <steps>', 'steps to forecast', wholeNumber(1, 100_000))
    .option(
      '--model <id>',
      'a method, or best: of those that learn nothing in steps, the one with the least absolute error on the last windows',
      'best',
    )
    .option('--option <name=value...>', "the method's own options, such as lags=24 (see docs/forecasting.md)", methodOption)
    .option('--seed <number>', 'of methods that learn in steps (default: 0)', seed)
    .option(
      '--season <steps>',
      'steps of a season; 1 for none (default: a day of hours, a week of days, a year of months)',
      wholeNumber(1),
    )
    .option('--level <percents>', 'shares of values that intervals are to hold, such as 80,95', levels, [80, 95])
    .option('--windows <count>', 'forecasts of the past to compare methods by', wholeNumber(1, 1000), 3)
    .option('--json', 'print a JSON object')
    .option('--plot <file>', 'also draw it, as .svg or .png', pictureFile)
    .option('--report <file>', 'also write a page (.html) of what was read, the errors of methods, plots and tables', pageFile)
    .optionsGroup('The table:')
    .option('--time <column>', 'the column of dates (default: ds, date or the like; else the first)')
    .option('--id <column>', 'the column that says which series a row is of (default: unique_id, if there is one)')
    .option('--target <columns...>', 'columns to forecast (default: y, if there is one; else all others)')
    .option(
      '--covariates <name:kind...>',
      'columns that help: name:past known up to the last value, name:future also beyond (in rows without a value), name:static',
      covariates,
    )
    .option('--frequency <words>', 'such as hour, 15 minutes, business day (default: what the dates say)')
    .option('--zone <name>', 'time zone of dates that name none (default: UTC)')
    .option('--stamp-format <letters>', 'how dates are written, such as dd/MM/yyyy (default: what all of them fit)')
    .addOption(
      new Option('--fill <how>', 'fill missing values, which are refused otherwise').choices(['forward', 'linear', 'zero']),
    )
    .option('--delimiter <text>', 'between cells of text files (default: what the first line has most of)')
}

function levels(text: string): readonly number[] {
  const values = text.split(',').map(Number)
  if (values.every((value) => value > 0 && value < 100) && new Set(values).size === values.length) return values
  throw new InvalidArgumentError('Expected different percents between 0 and 100, such as 80,95.')
}

const forecastExamples = `
Examples:
  nextx forecast sales.csv --horizon 24
  nextx forecast sales.csv --horizon 24 --model seasonal-naive --level 90 --out forecast.csv
  nextx forecast sales.csv --horizon 24 --model itransformer --option inputSize=96 epochs=5
  nextx forecast sales.csv --horizon 24 --plot sales.png --report sales.html
  nextx forecast sales.csv --horizon 24 --target sold --covariates price:future visits:past region:static
  nextx forecast readings.parquet --horizon 96 --id sensor --target load --zone Europe/Berlin`

const backtestExamples = `
Examples:
  nextx backtest sales.csv --horizon 12 --windows 8
  nextx backtest sales.csv --horizon 12 --model ridge --by step --plot past.svg`
