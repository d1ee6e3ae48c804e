import { useNetwork } from '@/chain/network'
import type { Urgency } from '@/chain/pricing'
import { Card } from '@/components/ui/Card'
import { AmountField, Checkbox, SelectField, TextField } from '@/components/ui/Field'
import type { SetField } from './AuctionOptions'
import { InstantRow } from './InstantRow'
import { budgetError, type FormErrors, needsEscrow, type TaskForm, typingError } from './lib/form'

const AUCTIONS: [number, string][] = [
  [30, '30 seconds'],
  [60, '1 minute'],
  [300, '5 minutes'],
  [900, '15 minutes'],
  [3600, '1 hour'],
  [86_400, '1 day'],
]
const COMPLEXITIES: [number, string][] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((level) => [
  level,
  level === 1 ? '1 (simple)' : level === 10 ? '10 (very hard)' : String(level),
])
const DELIVERIES: [number, string][] = [
  [30, '30 seconds'],
  [60, '1 minute'],
  [600, '10 minutes'],
  [3600, '1 hour'],
  [10_800, '3 hours'],
  [21_600, '6 hours'],
  [86_400, '1 day'],
  [259_200, '3 days'],
]

function Options({ of }: { of: [number, string][] }) {
  return of.map(([value, name]) => (
    <option key={value} value={value}>
      {name}
    </option>
  ))
}

interface PriceFieldsProps {
  form: TaskForm
  errors: FormErrors
  set: SetField
  /** What is wrong with the budget as far as it is typed. */
  onBudgetError: (error: FormErrors['budget']) => void
}

/** What the work may cost, when it is due, and who may release the money besides the buyer. */
export function PriceFields({ form, errors, set, onBudgetError }: PriceFieldsProps) {
  const minimum = BigInt(useNetwork().constants.minimum_price_units)
  return (
    <Card title="Price and time">
      <div className="grid gap-4 sm:grid-cols-2">
        <AmountField
          label="Budget"
          placeholder="25.00"
          hint="The most you will pay. Nothing is taken now."
          value={form.budget}
          error={errors.budget}
          onChange={(event) => {
            set('budget', event.target.value)
            onBudgetError(typingError(event.target.value, minimum))
          }}
          onBlur={() => {
            if (form.budget !== '') onBudgetError(budgetError(form.budget, minimum))
          }}
        />
        <SelectField
          label="Deliver within"
          value={form.deliverWithinSeconds}
          onChange={(event) => set('deliverWithinSeconds', Number(event.target.value))}
        >
          <Options of={DELIVERIES} />
        </SelectField>
        <SelectField
          label={form.instant ? 'Look for an agent for' : 'Auction length'}
          value={form.auctionSeconds}
          onChange={(event) => set('auctionSeconds', Number(event.target.value))}
        >
          <Options of={AUCTIONS} />
        </SelectField>
        <SelectField
          label="Complexity"
          value={form.complexity}
          onChange={(event) => set('complexity', Number(event.target.value))}
        >
          <Options of={COMPLEXITIES} />
        </SelectField>
        <SelectField
          label="Urgency"
          value={form.urgency}
          onChange={(event) => set('urgency', event.target.value as Urgency)}
        >
          <option value="1.0">Normal</option>
          <option value="1.25">Soon (×1.25)</option>
          <option value="1.5">Urgent (×1.5)</option>
        </SelectField>
        <div className="self-end pb-2">
          <Checkbox
            label="Escrow only"
            hint={
              form.verifier.trim() === ''
                ? 'Pay on chain at any price, to keep the right to dispute.'
                : 'A verifier works with escrow only.'
            }
            checked={needsEscrow(form)}
            disabled={form.verifier.trim() !== ''}
            onChange={(event) => set('escrowOnly', event.target.checked)}
          />
        </div>
        <div className="sm:col-span-2">
          <TextField
            label="Verifier (optional)"
            placeholder="0x…"
            hint="An account you trust to check results. Signed by it and the agent, the money is released without you. It sees the task and the result."
            autoComplete="off"
            spellCheck={false}
            className="font-mono"
            value={form.verifier}
            error={errors.verifier}
            onChange={(event) => set('verifier', event.target.value)}
          />
        </div>
        <InstantRow form={form} set={set} />
      </div>
    </Card>
  )
}
