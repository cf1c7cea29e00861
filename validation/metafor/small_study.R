# Funnel asymmetry, trim-and-fill, fail-safe N and excess significance.

# regtest() of metafor, read from the fit inside it. key: lm_<predictor> or rma_<method>_<test>_<predictor>.
asymmetry <- function(data, key) {
  part <- strsplit(key, "_")[[1]]
  predictor <- part[length(part)]
  lm_model <- part[1] == "lm"
  method <- if (lm_model) "FE" else part[2]
  given <- list(
    yi = data$yi, vi = data$vi, method = method, test = if (lm_model) "z" else part[3],
    control = if (method == "FE") list() else tight
  )
  # Sample sizes where they are known: metafor refuses a NULL.
  fit <- do.call(rma, c(given, if (!is.null(data$ni)) list(ni = data$ni)))
  found <- regtest(fit, model = part[1], predictor = predictor)
  limit <- take(found, c(limit_est = "est", limit_ci_lb = "ci.lb", limit_ci_ub = "ci.ub"))
  coefficients <- coef(summary(found$fit))
  numbers <- list(
    coef = unname(coefficients[, 1]), coef_se = unname(coefficients[, 2]), stat = c(found$zval), pval = c(found$pval),
    dfs = if (is.null(found$dfs) || is.na(found$dfs)) NULL else found$dfs
  )
  c(numbers, limit, if (lm_model) list(sigma = summary(found$fit)$sigma) else list(fit_tau2 = found$fit$tau2))
}

# key: <method>_<estimator>_<side>; "auto" lets metafor choose the side.
filled <- function(data, key, stored) {
  if (!is.null(stored$error)) return(NULL) # Q0 is a root of a negative number there
  part <- strsplit(key, "_")[[1]]
  fit <- rma(data$yi, data$vi, method = part[1], control = if (part[1] == "FE") list() else tight)
  # A standard error of the number missing may not exist. The refit of the filled data is at the default tolerance.
  found <- suppressWarnings(trimfill(fit, side = if (part[3] == "auto") NULL else part[3], estimator = part[2]))
  numbers <- take(found, c(
    k0 = "k0", se_k0 = "se.k0", side = "side", beta = "beta", se = "se", ci_lb = "ci.lb", ci_ub = "ci.ub",
    tau2 = "tau2", QE = "QE", if (part[2] == "R0") c(p_k0 = "p.k0")
  ))
  if (is.null(stored$filled_yi)) return(numbers)
  c(numbers, list(filled_yi = as.numeric(found$yi[found$fill])))
}

excess <- function(data, alternative, test) {
  found <- tes(data$yi, data$vi, test = test, alternative = alternative)
  take(found, c(O = "O", E = "E", X2 = "X2", pval = "pval", test = "test", power = "power"))
}

fail_safe <- function(data) {
  fit <- list(
    Rosenthal = fsn(data$yi, data$vi, type = "Rosenthal"), Rosenberg = fsn(data$yi, data$vi, type = "Rosenberg"),
    Orwin = fsn(data$yi, data$vi, type = "Orwin"),
    Orwin_weighted = fsn(data$yi, data$vi, type = "Orwin", weighted = TRUE)
  )
  lapply(named(names(fit)), function(type) {
    found <- take(fit[[type]], c(fsnum = "fsnum", pval = "pval", meanes = "meanes", target = "target"))
    Filter(function(number) !is.null(number) && !is.na(number), found)
  })
}

line <- function(y, x, weights) {
  found <- summary(lm(y ~ x, weights = weights))
  table <- coef(found)
  list(
    coef = unname(table[, 1]), coef_se = unname(table[, 2]), stat = table[2, 3], pval = table[2, 4],
    dfs = found$df[2], sigma = found$sigma
  )
}

# Peters 2006 and Harbord 2006 as regressions of R's own lm(); metafor has neither by name.
counts <- function(table) {
  full <- as.data.frame(table[c("ai", "bi", "ci", "di")])
  full <- full[full$ai + full$ci > 0 & full$bi + full$di > 0, ]
  with(full, {
    total <- ai + bi + ci + di
    log_odds <- as.numeric(escalc(measure = "OR", ai = ai, bi = bi, ci = ci, di = di)$yi)
    score <- ai - (ai + bi) * (ai + ci) / total
    # Products of four margins overflow integers.
    information <- (ai + bi) * 1.0 * (ci + di) * (ai + ci) * (bi + di) / (total^2 * (total - 1.0))
    list(
      peters = line(log_odds, 1 / total, (ai + ci) * (bi + di) / total),
      harbord = line(score / sqrt(information), sqrt(information), rep(1, length(total)))
    )
  })
}

remake <- function(reference, load) {
  one <- function(data) {
    list(
      regtest = lapply(named(names(data$regtest)), function(key) asymmetry(data, key)),
      ranktest = take(suppressWarnings(ranktest(data$yi, data$vi)), c(tau = "tau", pval = "pval")),
      trimfill = lapply(named(names(data$trimfill)), function(key) filled(data, key, data$trimfill[[key]])),
      tes = lapply(named(names(data$tes)), function(alternative) {
        excess(data, alternative, data$tes[[alternative]]$test)
      }),
      fsn = fail_safe(data)
    )
  }
  trials <- reference$pustejovsky_rodgers
  list(
    datasets = lapply(reference$datasets, one),
    tables = lapply(reference$tables, counts),
    pustejovsky_rodgers = list(fit = line(trials$yi, sqrt(1 / trials$n1 + 1 / trials$n2), 1 / trials$vi))
  )
}
