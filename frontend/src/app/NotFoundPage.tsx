import { Compass } from 'lucide-react'
import { Link } from 'react-router'
import { buttonClass } from '@/components/ui/Button'
import { Empty } from '@/components/ui/States'
import { Page } from './Page'

export function NotFoundPage() {
  return (
    <Page title="Not found">
      <Empty icon={Compass} title="There is no page here.">
        <Link to="/" className={buttonClass('secondary', 'mt-2')}>
          Go to the start page
        </Link>
      </Empty>
    </Page>
  )
}
