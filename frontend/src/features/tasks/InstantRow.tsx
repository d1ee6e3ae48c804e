import { Checkbox } from '@/components/ui/Field'
import type { SetField } from './AuctionOptions'
import type { TaskForm } from './lib/form'

/** The choice between an auction and the scheduler. */
export function InstantRow({ form, set }: { form: TaskForm; set: SetField }) {
  return (
    <div className="sm:col-span-2">
      <Checkbox
        label="Assign at once"
        hint="No auction: you sign for the budget, and the scheduler asks one agent after the other, the best first. Where your pool pays, it has to cover the budget before. If one fails, the next is asked, and you confirm its payment anew."
        checked={form.instant}
        onChange={(event) => set('instant', event.target.checked)}
      />
    </div>
  )
}
