import { useSearchParams } from 'react-router'
import { Page } from '@/app/Page'
import { parseUsdc } from '@/chain/amount'
import { PriceBreakdown } from '@/components/market/PriceBreakdown'
import { TierBadge } from '@/components/market/TierBadge'
import { Button } from '@/components/ui/Button'
import { Card } from '@/components/ui/Card'
import { AmountField, SelectField, TextField } from '@/components/ui/Field'
import { EXAMPLE, type Inputs, inputErrors, inputsOf, priceOf } from './lib/inputs'
import { QuoteCard } from './QuoteCard'
import { TiersCard } from './TiersCard'

const LEVELS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]

/** The published formula with inputs of the reader's choice, its tiers, and quotes of agents. */
export function PricingPage() {
  const [params, setParams] = useSearchParams()
  const change = (name: keyof Inputs, value: string) =>
    setParams((before) => new URLSearchParams([...[...before].filter(([key]) => key !== name), [name, value]]), {
      replace: true,
    })
  const inputs = inputsOf(params)
  const errors = inputErrors(inputs)
  const price = priceOf(inputs)
  const base = errors.base ? null : parseUsdc(inputs.base)
  return (
    <Page title="Pricing" intro="What the published formula gives. Agents set their own prices in their bids.">
      <div className="grid grid-cols-1 items-start gap-4 lg:grid-cols-2">
        <div className="grid min-w-0 grid-cols-1 gap-4">
          <Card title="The formula" aside={price && <TierBadge tier={price.tier} />}>
            <div className="grid grid-cols-1 gap-4">
              <p className="rounded-control bg-sunken px-3 py-2 font-mono text-[13px] break-words">
                price = base × agent&apos;s record × (1 + complexity / 2) × urgency
              </p>
              <div className="grid gap-3 sm:grid-cols-3">
                <AmountField
                  label="Base"
                  value={inputs.base}
                  error={errors.base}
                  onChange={(event) => change('base', event.target.value)}
                />
                <SelectField
                  label="Complexity"
                  value={inputs.complexity}
                  onChange={(event) => change('complexity', event.target.value)}
                >
                  {LEVELS.map((level) => (
                    <option key={level}>{level}</option>
                  ))}
                </SelectField>
                <SelectField
                  label="Urgency"
                  value={inputs.urgency}
                  onChange={(event) => change('urgency', event.target.value)}
                >
                  <option value="1.0">Normal (×1)</option>
                  <option value="1.25">Soon (×1.25)</option>
                  <option value="1.5">Urgent (×1.5)</option>
                </SelectField>
              </div>
              <div className="grid grid-cols-2 gap-3">
                <TextField
                  label="Escrows succeeded"
                  inputMode="numeric"
                  autoComplete="off"
                  value={inputs.successes}
                  error={errors.successes}
                  onChange={(event) => change('successes', event.target.value)}
                />
                <TextField
                  label="Escrows decided"
                  inputMode="numeric"
                  autoComplete="off"
                  value={inputs.decided}
                  error={errors.decided}
                  onChange={(event) => change('decided', event.target.value)}
                />
              </div>
              <div aria-live="polite">{price && <PriceBreakdown estimate={price} />}</div>
              <p className="text-xs text-muted">
                Multiplied exactly, rounded once, half up to the smallest unit. Computed in this page.
              </p>
            </div>
          </Card>
          <Card title="Worked example">
            <div className="flex flex-wrap items-center justify-between gap-3">
              <p className="min-w-0">
                Base 1.00, record × 2 (95%), complexity × 1.5, urgency × 1: <b>3.00 USDC</b>
              </p>
              <Button
                tone="secondary"
                onClick={() => setParams({ ...EXAMPLE, complexity: String(EXAMPLE.complexity) })}
              >
                Use these inputs
              </Button>
            </div>
          </Card>
        </div>
        <div className="grid min-w-0 grid-cols-1 gap-4">
          <TiersCard inputs={inputs} baseUnits={base} tier={price?.tier ?? null} />
          <QuoteCard
            asked={
              base === null
                ? null
                : { base_units: base.toString(), complexity: inputs.complexity, urgency: inputs.urgency }
            }
          />
        </div>
      </div>
    </Page>
  )
}
