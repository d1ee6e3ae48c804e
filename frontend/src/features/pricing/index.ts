export { PricingPage } from './PricingPage'
